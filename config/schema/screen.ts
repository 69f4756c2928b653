import { z } from 'zod';
import { faulty, label, word } from './values.js';

const inBoth = { nl: label.describe('In Dutch.'), en: label.describe('In English.') };

/** As authentication plugins name attributes: anything that can be seen. */
const attribute = z
  .string()
  .refine((text) => /^[^\p{C}\p{Z}]{1,256}$/u.test(text), faulty('is not a name of an attribute', 'Write it as the authentication plugin does, without spaces'));

/** What agents' screens make of the attributes of a caller. */
export const screen = z
  .strictObject({
    labels: z.record(attribute, z.strictObject(inBoth)).default({}).describe('How screens name an attribute, over the built-in labels; the name itself where there is none.'),
    masked: z
      .array(attribute)
      .max(100)
      .default(['bsn', 'burgerservicenummer', 'document_number', 'documentnumber', 'iban'])
      .describe('Attributes that are sent to a screen only when the agent asks for them. Without case; `bsn` also means the last part of `pbdf.gemeente.personalData.bsn` and `represented_bsn`.'),
    represented: z
      .array(attribute)
      .max(100)
      .default(['on_behalf_of', 'onbehalfof', 'representing', 'represented', 'representee', 'vertegenwoordigde', 'namens', 'machtigingsgever', 'mandator'])
      .describe('Attributes that say on whose behalf the caller acts: of this name, or beginning with it and a dot, dash or underscore (`represented` also means `represented_bsn`). Screens keep the two apart.'),
    assurance: z
      .array(attribute)
      .max(100)
      .default(['loa', 'assurance', 'assurance_level', 'assurancelevel', 'level_of_assurance', 'betrouwbaarheidsniveau', 'acr'])
      .describe('Attributes that say how sure the login was. Known values of DigiD, eHerkenning and eIDAS are shown in words.'),
    loginMeans: z
      .record(word, z.strictObject({ ...inBoth, assurance: z.enum(['low', 'substantial', 'high']).optional().describe('How sure a login with it is, where the result does not say.') }))
      .default({})
      .describe('How screens name the login means, by the name of the authentication plugin, over the built-in names.'),
  })
  .prefault({})
  .describe("Agents' screens.");
