// `node gateway/launch/run.mjs dist/some/cli.js args...`: set up if needed, then become that program.
import { spawn } from 'node:child_process';
import path from 'node:path';
import { root, setUp } from './setup.mjs';

setUp();
const [program, ...args] = process.argv.slice(2);
// The channel carries nothing; its end tells a gateway that its launcher was killed.
const child = spawn(process.execPath, ['--enable-source-maps', path.join(root, program), ...args], { stdio: ['inherit', 'inherit', 'inherit', 'ipc'] });
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
child.on('exit', (code, signal) => process.exit(code ?? (signal ? 1 : 0)));
