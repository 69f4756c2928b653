export type ResultErrorCode =
  | 'token_too_large'
  | 'token_malformed'
  | 'token_algorithm'
  | 'token_undecryptable'
  | 'token_signature'
  | 'token_expired'
  | 'token_not_yet_valid'
  | 'token_lifetime'
  | 'token_subject'
  | 'token_status'
  | 'token_attributes';

const SENTENCES: Record<ResultErrorCode, string> = {
  token_too_large: 'The token is larger than any result needs to be.',
  token_malformed: 'This is not a signed and encrypted result token.',
  token_algorithm: 'The token uses an algorithm that is not allowed, or one that does not fit the configured key.',
  token_undecryptable: 'The token cannot be decrypted with a key of ours.',
  token_signature: 'The token was signed with none of the configured keys.',
  token_expired: 'The token has expired.',
  token_not_yet_valid: 'The token is not valid yet.',
  token_lifetime: 'The token is valid for longer than a result may be.',
  token_subject: 'The token is not an authentication result.',
  token_status: 'The token carries an unknown status.',
  token_attributes: 'The token’s attributes are not a modest set of names and texts.',
};

/** A result token that is refused. Says why in general terms and holds nothing of the token. */
export class ResultError extends Error {
  constructor(readonly code: ResultErrorCode) {
    super(SENTENCES[code]);
    this.name = 'ResultError';
  }
}
