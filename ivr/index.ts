/** The door of this room: the rest of the gateway imports from here alone. */
export { arrangeCallback, offerCallback, shortCodeLength, type ArrangeCallbackOptions, type CallbackArrangement, type CallbackOfferOptions } from './callback.js';
export { greetCalledBack, type CalledBack, type CalledBackOptions } from './called-back.js';
export { enterCode, type CodeEntry, type CodeEntryOptions, type CodeProblem } from './code-entry.js';
export { CompanyMemory, keepCompany, type CompanyEnd, type CompanyNews, type CompanyOptions } from './company.js';
export { offerIdentify, readInvitation, type OfferOptions, type SpokenInvitation } from './invitation.js';
export { BufferedKeys } from './key-queue.js';
export { languages, type Language } from './languages.js';
export { roundedMinutes, ToldOutlook, type SpokenOutlook } from './outlook.js';
export { onHold } from './hold.js';
export { musicFile, pauseFile, promptFile, promptNames, promptsFolder, type PromptName } from './prompts/names.js';
export { words } from './prompts/words.js';
export { greet, say } from './speech.js';
export { SpokenCode } from './spoken-code.js';
export { SpokenNumber } from './spoken-number.js';
export type { KeyQueue, Voice } from './voice.js';
export { whisper, type SpelledValue, type WhisperEnd, type WhisperedMethod, type WhisperOptions } from './whisper.js';
