import { z } from 'zod';
import { queue, skills } from './queue.js';
import { handOver, identities, outside } from './passing-on.js';
import { screen } from './screen.js';
import { cti } from './cti.js';
import { accountRole, accountRoles, signIn, signInAs } from './sign-in.js';
import { agentWhisper } from './whisper.js';
import { baseUrl, dialledNumber, e164, faulty, fileName, label, mediaSource, ms, oneOf, passwordHash, pemFields, keyType, privateKey, purpose, sipUri, webUrl, withFiles, word } from './values.js';

/** Least length of a bearer token, in characters. */
export const MIN_TOKEN_CHARACTERS = 24;
/** Least length of a key under which codes are hashed, in characters: 32 hexadecimal digits are 128 bits. */
export const MIN_HASH_KEY_CHARACTERS = 32;

const services = z
  .array(
    z.strictObject({
      name: label.describe('Name that agents see.'),
      numbers: z.array(dialledNumber).min(1).max(1_000).describe("Numbers that lead here, in E.164 or as the trunk dials them; '*' is any other number."),
      purposes: z.array(purpose).min(1).max(100).describe('Purposes of the core that belong to this service.'),
      unauthenticatedPurposes: z.array(purpose).max(100).default([]).describe('Those of them for which no result may ever come, because the core allows contact without authentication: such callers do not wait for one, and are shown as not identified until one comes.'),
      language: z.enum(['nl', 'en']).default('nl').describe('Language that is spoken.'),
      queue,
      handOver: handOver.optional(),
    }),
  )
  .min(1)
  .max(1_000)
  .describe('What a dialled number leads to.');

const purposeLabels = z
  .record(purpose, z.strictObject({ nl: label.describe('In Dutch.'), en: label.describe('In English.') }))
  .default({})
  .describe('How screens and pages name a purpose; the purpose itself if left out.');

const agents = z
  .array(
    withFiles(
      {
        name: word.describe('Login name.'),
        displayName: label.optional().describe('Name on the screen; the login name if left out.'),
        roles: z.array(accountRole).min(1).max(accountRoles.length).default(['agent']).describe('What they may do. agent: take calls, which needs a phone. supervisor: see queues and states. auditor: read the audit trail. admin: manage the gateway.'),
        password: passwordHash.optional().describe('scrypt hash of the password, as `node dist/config/password-cli.js` prints it; never the password. May be left out for who signs in by `signIn.oidc`.'),
        passwordFile: fileName.optional().describe('File with that hash, relative to the configuration file.'),
        signInAs: signInAs.optional().describe('Value of `signIn.oidc.agentClaim` for this account; the login name if left out.'),
        phone: sipUri.optional().describe('SIP address of the phone that rings for this agent. Needed for the role agent.'),
        mediaSource: mediaSource.optional().describe('As for a trunk, for this phone; that of the trunk that lists the phone’s address if left out, or described.'),
        skills: skills.describe('What this agent can do; services name the skills they need.'),
        identities,
        whisper: agentWhisper,
      },
      [{ inline: 'password', file: 'passwordFile' }],
    ).superRefine(({ roles, phone }, context) => {
      if (roles.includes('agent') && phone === undefined) context.addIssue({ code: 'custom', path: ['phone'], ...faulty('is missing', 'Give the SIP address of the agent’s phone, or roles without agent') });
    }),
  )
  .max(10_000)
  .default([])
  .describe('People who may log in: agents, and those who have another role.');

const tokenText = z.string().min(MIN_TOKEN_CHARACTERS).max(1_024);

const idContact = z
  .strictObject({
    dialect: z.enum(['id-contact', 'verder-helpen']).default('id-contact').describe('Words spoken to the core; results in either dialect are understood.'),
    phoneNumber: e164.describe('Number that citizens dial, given to them with the code.'),
    name: word.default('telephone').describe('Our name as the core knows it.'),
    clientUrl: z.enum(['tel', 'page']).default('tel').describe('Where citizens are sent after logging in. tel: a telephone address with number and code. page: our own page, which shows both and follows the call.'),
    decryptionKey: privateKey('Our private key').optional().describe('Our private key, with which results are decrypted. The demo makes its own.'),
    formerDecryptionKeys: z.array(privateKey('A former private key of ours')).max(16).default([]).describe('Former keys of ours that still open results, while authentication plugins change to the new one.'),
    verificationKeys: z
      .array(oneOf({ name: word.describe('Name of the authentication plugin, for the log. Twice the same name with different keys: a plugin that is changing its key.'), type: keyType, ...pemFields('Its public key') }, 'key', 'keyFile'))
      .max(64)
      .default([])
      .describe('Public keys of the authentication plugins, with which results are verified. The demo adds its own.'),
    coreTokens: z
      .array(
        oneOf(
          {
            token: tokenText.optional().describe(`The token, at least ${MIN_TOKEN_CHARACTERS} characters, random (\`openssl rand -hex 32\`).`),
            tokenFile: fileName.optional().describe('File with that token, relative to the configuration file.'),
          },
          'token',
          'tokenFile',
        ),
      )
      .max(16)
      .default([])
      .describe('Bearer tokens of which the core must present one to start a session. None: it is not asked for one.'),
    coreCertificateNames: z.array(z.string().min(1).max(255)).max(64).default([]).describe('Names (common name or DNS name) of which the core’s client certificate must carry one. None: any certificate that `listeners.core.tls.clientCa` has signed.'),
    coreUrl: baseUrl.optional().describe('Base address of the core, for authentication during a call. None: that is not offered.'),
    signingKey: privateKey('Our private key').optional().describe('Our private key with which requests to the core are signed; goes with coreUrl. The core is given its public half under our name. The demo makes its own.'),
  })
  .describe('The ID Contact protocol.');

const codes = z
  .strictObject({
    digits: z.int().min(8).max(16).default(10).describe('Length of a code as it is typed, check digit included. Codes grow longer by themselves when many are alive or guessed at.'),
    maxDigits: z.int().min(8).max(16).default(16).describe('Longest they may grow.'),
    lifetimeSeconds: z.int().min(30).max(3_600).default(900).describe('How long a code can be used after it was made.'),
    longestLifetimeSeconds: z.int().min(30).max(14_400).default(3_600).describe('How long at most when the citizen asks for more time on our page.'),
    attemptsPerCall: z.int().min(1).max(10).default(3).describe('Wrong codes in one call before the caller goes on unidentified.'),
    hashKey: z.string().min(MIN_HASH_KEY_CHARACTERS).max(1_024).optional().describe('Key under which codes are hashed: at least 32 characters, random (`openssl rand -hex 32`). The demo makes its own.'),
    hashKeyFile: fileName.optional().describe('File with that key, relative to the configuration file.'),
    guesses: z
      .strictObject({
        windowSeconds: z.int().min(3_600).max(604_800).default(86_400).describe('Wrong codes are counted over a window of this length.'),
        freePerNumber: z.int().min(0).max(1_000).default(5).describe('Wrong codes of one calling number before further ones from there wait for a turn. Withheld numbers share an account.'),
        freePerTrunk: z.int().min(0).max(10_000).default(10).describe('The same for one trunk.'),
        freeInTotal: z.int().min(0).max(10_000).default(10).describe('The same in total.'),
        paceSeconds: z.int().min(1).max(3_600).default(60).describe('Beyond that, codes are looked up one by one, one in this time. Nobody is locked out: the callers with the cleanest record come first.'),
        patienceSeconds: z.int().min(5).max(600).default(90).describe('How long a caller waits for a turn before going on unidentified; the code stays good.'),
      })
      .prefault({})
      .describe('How guessing is slowed down. All nodes on one store count together.'),
    acceptedChance: z.string().max(200).optional().describe('`npm run check-config` refuses settings with which one lucky guess a day is likelier than one in a million, unless this says `I accept a chance of one lucky guess a day of <number>`.'),
  })
  .prefault({})
  .describe('The codes that citizens type.');

const sessions = z
  .strictObject({
    reclaimGraceSeconds: z.int().min(0).max(600).default(60).describe('After a call dropped before it was connected: how long the same code works again.'),
    resultWaitMs: ms(0, 120_000).default(15_000).describe('How long a caller who typed the code waits for a result that is still under way.'),
    maxLive: z.int().min(1).max(10_000_000).default(100_000).describe('Sessions alive at one time; the core is told 503 beyond that.'),
  })
  .prefault({})
  .describe('Sessions.');

const feedback = z
  .strictObject({
    everySeconds: z.int().min(5).max(600).default(60).describe('While citizen and agent talk, the plugin hears this often that its session is in use.'),
    attempts: z.int().min(1).max(10).default(3).describe('How often one report is tried.'),
    timeoutMs: ms(100, 30_000).default(3_000).describe('How long the plugin may take to answer.'),
  })
  .prefault({})
  .describe('Session feedback to authentication plugins that gave an address for it in their result.');

const webhook = withFiles(
  {
    url: webUrl.describe('Where invitations are posted, as JSON.'),
    token: tokenText.optional().describe('Bearer token that is sent along.'),
    tokenFile: fileName.optional().describe('File with that token, relative to the configuration file.'),
  },
  [{ inline: 'token', file: 'tokenFile' }],
);

const identify = z
  .strictObject({
    pairingDigits: z.int().min(6).max(12).default(8).describe('Length of the code that connects the citizen’s browser with the call, check digit included.'),
    lifetimeSeconds: z.int().min(60).max(3_600).default(600).describe('How long it can be used.'),
    address: z
      .string()
      .max(100)
      .refine((text) => /^[a-z0-9.-]+(:[0-9]{1,5})?(\/[a-z0-9._/-]*)?$/i.test(text), faulty('is not an address that can be read out', 'Write it without https://, such as telephone.example.org/i'))
      .optional()
      .describe('Short address as it is shown and spoken, without scheme; it must lead to /i on the public listener, for a named tenant to /t/<name>/i. The host of `listeners.public.url` and that path if left out.'),
    webhook: webhook.optional().describe('Is told of each invitation, for sites that send it by SMS or e-mail.'),
  })
  .prefault({})
  .describe('Authentication during a call, offered when idContact.coreUrl is given.');

/** What belongs to one municipality. */
export const tenantShape = {
  displayName: label.optional().describe('Name that citizens read, such as Gemeente Voorbeeld; the first service’s name if left out.'),
  promptsPath: z.string().startsWith('/').max(1_024).optional().describe('Folder of prompts of its own as the media servers see it; the gateway’s prompts if left out.'),
  services,
  purposeLabels,
  screen,
  agents,
  signIn,
  outside,
  idContact,
  codes,
  sessions,
  feedback,
  cti,
  identify,
};

export const tenantSchema = z.strictObject({
  name: z
    .string()
    .refine((text) => /^[a-z0-9][a-z0-9-]{0,31}$/.test(text), faulty('is not a plain name', 'Use 1 to 32 small letters, digits and dashes, beginning with a letter or digit'))
    .describe('Name in addresses (`/t/<name>/`), logs and the store; not shown to citizens.'),
  ...tenantShape,
});

export type RawTenant = z.infer<typeof tenantSchema>;
