export { hasRightCheckDigit } from './check-digit.js';
export { generateCode, hashCode } from './code.js';
