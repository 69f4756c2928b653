import { createRequire } from 'node:module';

// The package's own declarations import one another without file extensions, which NodeNext does not resolve.
interface Linter {
  lintFiles(paths: string[], recursive: boolean): { messages: { line: number; rule: string; message: string }[] }[];
}
type LinterClass = new (config: { rules: Record<string, 0 | 1 | 2>; quiet: boolean; debug: boolean; exclude: string[] }) => Linter;
const { DCLinter } = createRequire(import.meta.url)('dclint') as { DCLinter: LinterClass };

/** Checks a compose file against the compose specification's JSON schema and the linter's rules; one line for each fault. */
export function lintCompose(file: string): string[] {
  const linter = new DCLinter({
    rules: {
      // The image is built here and given a name; the order of keys is ours.
      'no-build-and-image': 0,
      'service-keys-order': 0,
      'services-alphabetical-order': 0,
      'service-dependencies-alphabetical-order': 0,
      'require-project-name-field': 2,
      'no-unbound-port-interfaces': 2,
      'service-image-require-explicit-tag': 2,
    },
    quiet: false,
    debug: false,
    exclude: [],
  });
  const results = linter.lintFiles([file], false);
  if (results.length !== 1) throw new Error(`${file} was not looked at`);
  return results.flatMap(({ messages }) => messages.map(({ line, rule, message }) => `${line}: ${rule}: ${message}`));
}
