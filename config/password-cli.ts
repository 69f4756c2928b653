import { createInterface } from 'node:readline';
import { hashPassword } from './password.js';

// Reads one line, the password, from standard input and prints its hash. Not an argument: those show in process lists.
const lines = createInterface({ input: process.stdin });
if (process.stdin.isTTY) console.error('Password (shown while you type), then Enter:');
for await (const line of lines) {
  if (line.length < 4 || line.length > 256) {
    console.error('A password has 4 to 256 characters.');
    process.exitCode = 1;
  } else console.log(await hashPassword(line));
  break;
}
lines.close();
