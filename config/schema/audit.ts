import { z } from 'zod';
import { fileName, secretText, withFiles, word } from './values.js';

/** Least length of the key of the audit trail's signatures, in characters. */
export const MIN_AUDIT_KEY_CHARACTERS = 32;

export const audit = withFiles(
  {
    enabled: z.boolean().default(true).describe('false: no trail is kept.'),
    folder: fileName.optional().describe('Folder of the trail, relative to the configuration file; `var/audit` in the folder the gateway is started from if left out. It must outlive the process: in a container, a volume.'),
    node: word.optional().describe('Name of this gateway in the names of its files; the machine’s host name if left out. Two gateways that share a folder need two names, and a container needs one that stays.'),
    required: z.boolean().default(true).describe('true: what cannot be recorded is not shown, and the agent talks to a caller who is not identified. false: it is shown, and the log and a metric say that it was not recorded.'),
    keepDays: z.int().min(1).max(3_650).default(365).describe('Files older than this are deleted; that they were is recorded.'),
    hmacKey: secretText.min(MIN_AUDIT_KEY_CHARACTERS).optional().describe('Key with which every line is signed: at least 32 characters, random (`openssl rand -hex 32`). Without it whoever can write the files can write all of them anew.'),
    hmacKeyFile: fileName.optional().describe('File with that key, relative to the configuration file.'),
  },
  [{ inline: 'hmacKey', file: 'hmacKeyFile' }],
)
  .prefault({})
  .describe('The audit trail: who saw which kind of attribute of which call, when and why.');
