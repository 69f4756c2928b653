/** What a call of the test phone reports while it goes on. `atMs` counts from the start of the call. */

/** What the gateway says of a call by SIP INFO to phones that ask for it (RFC 6086). */
export const callStatePackage = 'identity-gateway.call-state';
export const callStates = ['greeting', 'collecting', 'waiting', 'ringing-agent', 'connected', 'ended'] as const;
export type CallState = (typeof callStates)[number];

/** told: by the gateway's INFO · moved: media moved to another address · tone: the expected tone was heard · answered: nothing more was expected. */
export type Evidence = 'told' | 'moved' | 'tone' | 'answered';

export type PhoneEvent = { readonly atMs: number } & (
  | { readonly kind: 'dialling'; readonly to: string; readonly from: string; readonly transport: 'udp' | 'tcp' }
  | { readonly kind: 'incoming'; readonly from: string }
  | { readonly kind: 'progress'; readonly status: number; readonly reason: string }
  | { readonly kind: 'answered'; readonly afterMs: number; readonly codec: string; readonly keys: 'rfc4733' | 'info'; readonly media: string }
  | { readonly kind: 'first-audio'; readonly afterMs: number }
  | { readonly kind: 'pressing'; readonly keys: number; readonly way: 'rfc4733' | 'info' }
  | { readonly kind: 'pressed' }
  | { readonly kind: 'told'; readonly state: CallState }
  | { readonly kind: 'media-moved'; readonly to: string }
  | { readonly kind: 'held' }
  | { readonly kind: 'resumed' }
  | { readonly kind: 'tone-heard'; readonly hz: number }
  | { readonly kind: 'connected'; readonly how: Evidence; readonly afterMs: number }
  | { readonly kind: 'notice'; readonly text: string }
  | { readonly kind: 'ended'; readonly by: 'us' | 'them' | 'nobody'; readonly why: string }
);

type WithoutTime<T> = T extends unknown ? Omit<T, 'atMs'> : never;
/** An event before it is stamped. */
export type UntimedPhoneEvent = WithoutTime<PhoneEvent>;
