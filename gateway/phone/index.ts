export { Phone, type PhoneOptions } from './phone.js';
export { PhoneCall, type CallResult } from './call.js';
export type { DialOptions } from './dial.js';
export type { AnswerOptions } from './answer.js';
export { callStatePackage, callStates, type CallState, type Evidence, type PhoneEvent } from './events.js';
export { meanings, outcomeOfStatus, usageExitCode, type Outcome } from './outcome.js';
export { findSound, loudestPieces } from './likeness.js';
export { readWavFile } from './sources.js';
export { loudness, msOfTone, shareAt, telephoneRate, tone, tonesByWindow } from './tone.js';
