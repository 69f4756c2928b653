/** The door of this room: the rest of the gateway imports from here alone. */
export { enterCode, type CodeEntry, type CodeEntryOptions, type CodeProblem } from './code-entry.js';
export { CompanyMemory, keepCompany, keepOnHold, type CompanyEnd, type CompanyNews, type CompanyOptions } from './company.js';
export { offerIdentify, readInvitation, type OfferOptions, type SpokenInvitation } from './invitation.js';
export { BufferedKeys } from './key-queue.js';
export { languages, type Language } from './languages.js';
export { roundedMinutes, ToldOutlook, type SpokenOutlook } from './outlook.js';
export { musicFile, pauseFile, promptFile, promptNames, promptsFolder, type PromptName } from './prompts/names.js';
export { words } from './prompts/words.js';
export { greet, say } from './speech.js';
export { SpokenCode } from './spoken-code.js';
export type { KeyQueue, Voice } from './voice.js';
