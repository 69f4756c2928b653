/** The tests and the test phone find tones by the same code, which test/peers/peers.test.ts and test/phone check. */
export { loudness, msOfTone, shareAt, telephoneRate, tone, tonesByWindow, type Window } from '../../gateway/phone/tone.js';
