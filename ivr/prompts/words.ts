import type { Language } from '../languages.js';

/**
 * The same 64 things, in Dutch and English: everyday nouns of one or two syllables. They were chosen from a longer
 * list by the distance of their sounds, so that no two are mistaken for each other on a telephone line, not even by
 * somebody who hears badly. One row names one thing, so that page, caller and agent may each have their own language.
 * The order counts: a session stores the index, and the recordings are numbered by it.
 */
const things: ReadonlyArray<readonly [nl: string, en: string]> = [
  ['arend', 'eagle'], ['ballon', 'balloon'], ['broodje', 'sandwich'], ['brug', 'bridge'], ['cirkel', 'circle'], ['citroen', 'lemon'], ['diamant', 'diamond'], ['dolfijn', 'dolphin'],
  ['draak', 'dragon'], ['eiland', 'island'], ['fiets', 'bike'], ['fontein', 'fountain'], ['giraf', 'giraffe'], ['gitaar', 'guitar'], ['handschoen', 'glove'], ['honing', 'honey'],
  ['jungle', 'jungle'], ['kasteel', 'castle'], ['kers', 'cherry'], ['ketting', 'necklace'], ['keuken', 'kitchen'], ['kikker', 'frog'], ['koffie', 'coffee'], ['kompas', 'compass'],
  ['lantaarn', 'lantern'], ['magneet', 'magnet'], ['molen', 'windmill'], ['motor', 'engine'], ['muziek', 'music'], ['papier', 'paper'], ['parfum', 'perfume'], ['planeet', 'planet'],
  ['pompoen', 'pumpkin'], ['potlood', 'pencil'], ['raket', 'rocket'], ['robot', 'robot'], ['rugzak', 'backpack'], ['sandaal', 'sandal'], ['schaduw', 'shadow'], ['schommel', 'swing'],
  ['scooter', 'scooter'], ['sjaal', 'scarf'], ['slang', 'snake'], ['sneeuw', 'snow'], ['spiegel', 'mirror'], ['stempel', 'stamp'], ['tent', 'tent'], ['theepot', 'teapot'],
  ['tractor', 'tractor'], ['trein', 'train'], ['trompet', 'trumpet'], ['tulp', 'tulip'], ['uil', 'owl'], ['venster', 'window'], ['voetbal', 'football'], ['vogel', 'bird'],
  ['walnoot', 'walnut'], ['walvis', 'whale'], ['water', 'water'], ['wolk', 'cloud'], ['zaklamp', 'torch'], ['zebra', 'zebra'], ['zilver', 'silver'], ['zwembad', 'pool'],
];

/** The words that a page shows and a telephone speaks, by the index that a session carries (`word`). */
export const words: Readonly<Record<Language, readonly string[]>> = { nl: things.map(([nl]) => nl), en: things.map(([, en]) => en) };
