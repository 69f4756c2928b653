/** RTP for telephone calls: G.711, RFC 4733 keys, symmetric addresses, RTCP. Usable on its own. */
export { FRAME_MS, FRAME_SAMPLES, SAMPLE_RATE_HZ, STATIC_PAYLOAD_TYPE, SILENCE, decode, encode, transcode, type Codec } from './g711.js';
export { MediaClock, type ClockMember } from './clock.js';
export { PortPool, MediaPortsError, type PortPair, type PortRange } from './ports.js';
export { DESCRIBED, MAX_NETWORKS, Networks, SourceRuleError, readSourceRule, type SourceRule, type SourceRuleText } from './source-rule.js';
export { RtpSession, type Direction, type FrameInfo, type FrameSource, type PayloadTypes, type RemoteAddress, type RtpSessionOptions, type RtpStats } from './session.js';
export { TELEPHONE_EVENT_DIGITS, TelephoneEventReceiver, LOST_END_MS, type DigitEvent } from './telephone-event-receiver.js';
export { TelephoneEventSender, DEFAULT_DIGIT_MS, DEFAULT_GAP_MS, type DigitsOptions } from './telephone-event-sender.js';
