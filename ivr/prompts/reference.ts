import { languages, type Language } from '../languages.js';
import { promptNames, sentenceGroups, type PromptName } from './names.js';
import { loadTexts } from './texts.js';

const intro = `# What callers and agents hear

Every sentence has a name, a text in Dutch and English, and a recording for each language: \`nl/closed.wav\`, \`en/closed.wav\`. The recordings that come with the gateway are spoken by a machine. A municipality can replace all of them, or some, by a voice of its own.

Made from \`ivr/prompts/texts.yaml\`; a test compares the two.

## Your own recordings

1. Copy the folder \`ivr/prompts\` to where your media servers can read it. Every name must be there in both languages; a missing file is a sentence that nobody hears.
2. Record the sentences you want to change, one file each, with the same name. WAV, PCM 16 bit, mono, 8 kHz; \`sox recording.wav -r 8000 -c 1 -b 16 nl/closed.wav\` makes that of anything. Aim at -18 dBFS RMS with peaks below -1 dBFS; begin at once, end with a quarter of a second of silence.
3. \`npm run prompts -- --check /path/to/the/folder\` says everything that is wrong with it, and ends with 1 if anything is.
4. Name the folder in the configuration: \`promptsPath\` for one tenant, \`media.promptsPath\` for all. Both are paths as the media servers see them. Recordings are read when they are played, so a changed file needs no restart.

Your own words are welcome, with these limits:

- **Keys stay**: a sentence that names a key (\`one\`, \`zero\`, \`hash\`, \`star\`) must name the same one. The key comes last, because that is what people remember.
- **Pieces stay pieces**: a text without a full stop is followed by something else, such as a number. Speak it as the beginning of a sentence. Numbers and letters are spoken by themselves, slowly.
- **Unknown, used and expired codes share one sentence** (\`not-recognised\`). It must not say which of these it was.
- **No names and no reasons for the call** in \`callback-hello\` and \`callback-ready\`: somebody else may pick up, or a voicemail box.
- Short sentences in plain words. Whoever is old, in a hurry, or hears badly understands the first eight words.

Other music: replace \`music.wav\`, in the same format, and quieter than the voice (about -27 dBFS). \`pause.wav\` is the silence between things to write down.
`;

/** docs/prompts.md, made from the texts, so that the two cannot differ. */
export function promptsReference(): string {
  const texts = loadTexts();
  const grouped = Object.entries(sentenceGroups).map(([title, names]): [string, readonly PromptName[]] => [title, names]);
  const known = new Set(grouped.flatMap(([, names]) => names));
  const rest = (prefix: string) => promptNames.filter((name) => !known.has(name) && name.startsWith(prefix));
  const groups: [string, readonly PromptName[]][] = [
    ...grouped,
    ['Lengths of codes', rest('code-length-')],
    ['Numbers and digits', rest('number-')],
    ['Letters and signs', rest('sign-')],
    ['Words that pages show', rest('word-')],
  ];
  const row = (name: PromptName) => `| \`${name}\` | ${languages.map((language: Language) => texts[language][name]).join(' | ')} |`;
  const tables = groups.map(([title, names]) => `## ${title}\n\n| name | Nederlands | English |\n|---|---|---|\n${names.map(row).join('\n')}\n`);
  return [intro, ...tables].join('\n');
}
