/**
 * Writes sipp scenarios (XML) for a telephone that keeps to RFC 3261 and, apart from its own script, obeys commands of
 * the test. A command is a SIP request with a made-up method and the call's Call-ID, sent to sipp from anywhere:
 * sipp has no other way in once a call runs. All text that ends up in a scenario comes from the tests themselves.
 */

export type Codec = 'pcma' | 'pcmu';

export interface PhoneMedia {
  readonly codec: Codec;
  /** Payload type of telephone-event; sipp's play_dtmf always sends 96, so anything else makes it break its word. */
  readonly eventPayloadType: number;
  /** The media port lies this far above sipp's own, which leaves the port free for an RtpTap. 0: sipp's own (it can echo). */
  readonly portOffset: number;
  /** Packet capture to play when connected and after each re-INVITE. */
  readonly toneCapture?: string;
}

export interface CitizenScript extends PhoneMedia {
  readonly user: string;
  readonly from: string;
  readonly lateOffer: boolean;
  readonly headers: readonly string[];
  /** Keys to press this long after the answer; more may be pressed by command. */
  readonly keys?: { readonly keys: string; readonly afterMs: number };
  /** Hangs up this long after the answer (or after the last re-INVITE). */
  readonly hangupAfterMs: number;
  /** CANCELs this long after the latest provisional response, if not answered by then. */
  readonly cancelAfterMs?: number;
}

export type AgentBehaviour =
  | { readonly kind: 'answer'; readonly afterMs: number; readonly hangupAfterMs: number }
  | { readonly kind: 'ring' }
  | { readonly kind: 'reject'; readonly status: number; readonly reason: string; readonly afterMs: number };

const final = [400, 401, 403, 404, 405, 406, 407, 408, 410, 415, 416, 420, 480, 481, 482, 483, 484, 486, 487, 488, 491, 500, 501, 502, 503, 504, 600, 603, 604, 606];

const body = (text: string): string => `<![CDATA[\n${text.trim()}\n\n]]>`;

function sdp(media: PhoneMedia, direction = 'sendrecv'): string {
  const [type, name] = media.codec === 'pcma' ? [8, 'PCMA'] : [0, 'PCMU'];
  return `v=0
o=sipp 4711 4711 IN IP4 [local_ip]
s=-
c=IN IP4 [media_ip]
t=0 0
m=audio [media_port${media.portOffset > 0 ? `+${media.portOffset}` : ''}] RTP/AVP ${type} ${media.eventPayloadType}
a=rtpmap:${type} ${name}/8000
a=rtpmap:${media.eventPayloadType} telephone-event/8000
a=fmtp:${media.eventPayloadType} 0-15
a=ptime:20
a=${direction}`;
}

const withSdp = (media: PhoneMedia, direction?: string): string => `Content-Type: application/sdp\nContent-Length: [len]\n\n${sdp(media, direction)}`;
const withoutBody = 'Content-Length: 0';
const allow = 'Allow: INVITE, ACK, CANCEL, BYE, INFO, OPTIONS';

const via = (name: string): string => `Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=z9hG4bK-[pid]-[call_number]-${name};rport`;

/** A response that copies what RFC 3261 section 8.2.6 says it must. */
function respond(status: string, options: { tag?: boolean; lines?: string } = {}): string {
  return body(`SIP/2.0 ${status}
[last_Via:]
[last_Record-Route:]
[last_From:]
[last_To:]${options.tag ? ';tag=[pid]-[call_number]' : ''}
[last_Call-ID:]
[last_CSeq:]
Contact: <sip:phone@[local_ip]:[local_port];transport=[transport]>
${allow}
${options.lines ?? withoutBody}`);
}

const play = (media: PhoneMedia): string => (media.toneCapture === undefined ? '' : `<nop><action><exec play_pcap_audio="${media.toneCapture}"/></action></nop>`);

/**
 * A call in progress: answers re-INVITE (also one that holds or one without an offer), INFO and OPTIONS, presses keys
 * and hangs up on command, is hung up by BYE, and hangs up by itself after `hangupAfterMs`.
 */
function conversation(media: PhoneMedia, hangupAfterMs: number, local: string, remote: string, direction: 'uac' | 'uas'): string {
  const request = (method: string, cseq: number): string => body(`${method} [next_url] SIP/2.0
${via(`${method}-${direction}`)}
[routes]
${local}
${remote}
Call-ID: [call_id]
CSeq: ${cseq} ${method}
Contact: <sip:phone@[local_ip]:[local_port];transport=[transport]>
Max-Forwards: 70
${withoutBody}`);
  return `
<label id="talk"/>
<recv request="INVITE" optional="true" next="reinvited" timeout="${hangupAfterMs}" ontimeout="hangup"><action>
  <assign assign_to="zero" value="0"/>
  <test assign_to="held" variable="zero" compare="equal" value="1"/>
  <test assign_to="inactive" variable="zero" compare="equal" value="1"/>
  <ereg regexp="a=(sendonly|inactive)" search_in="msg" assign_to="held"/>
  <ereg regexp="a=inactive" search_in="msg" assign_to="inactive"/>
</action></recv>
<recv request="INFO" optional="true" next="okay"/>
<recv request="OPTIONS" optional="true" next="okay"/>
<recv request="NOTIFY" optional="true" next="okay"/>
<recv request="ACK" optional="true" next="talk"/>
<recv request="PRESS" optional="true" next="press"><action><ereg regexp="[0-9A-D*#]+" search_in="hdr" header="X-Keys:" assign_to="keys"/></action></recv>
<recv request="PLAY" optional="true" next="play"/>
<recv request="HANGUP" optional="true" next="hangup"/>
<recv request="BYE" timeout="${hangupAfterMs}" ontimeout="hangup"/>
<send>${respond('200 OK')}</send>
<nop next="end"/>
<label id="okay"/>
<send next="talk">${respond('200 OK')}</send>
<label id="press"/>
<nop next="talk"><action><exec play_dtmf="[$keys]"/></action></nop>
<label id="play"/>
${play(media)}
<nop next="talk"/>
<label id="reinvited"/>
<nop test="inactive" next="inactivated"/>
<nop test="held" next="heldnow"/>
<send retrans="500">${respond('200 OK', { lines: withSdp(media) })}</send>
<recv request="ACK"/>
${play(media)}
<nop next="talk"/>
<label id="heldnow"/>
<send retrans="500">${respond('200 OK', { lines: withSdp(media, 'recvonly') })}</send>
<recv request="ACK" next="talk"/>
<label id="inactivated"/>
<send retrans="500">${respond('200 OK', { lines: withSdp(media, 'inactive') })}</send>
<recv request="ACK" next="talk"/>
<label id="hangup"/>
<send retrans="500">${request('BYE', 90)}</send>
<recv request="BYE" optional="true" next="crossed"/>
<recv request="INVITE" optional="true" next="byesent"/>
<recv response="200"/>
<nop next="end"/>
<label id="byesent"/>
<recv response="200"/>
<nop next="end"/>
<label id="crossed"/>
<send>${respond('200 OK')}</send>
<recv response="200" optional="true"/>
<recv response="481"/>
<label id="end"/>
`;
}

/** sipp refuses variables it thinks unused, and references to variables never assigned. */
function wholeScenario(name: string, content: string): string {
  const variables = [...new Set([...content.matchAll(/assign_to="(\w+)"/g)].map((match) => match[1]))];
  return `<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE scenario SYSTEM "sipp.dtd">
<scenario name="${name}">
${content}
<Reference variables="${variables.join(',')}"/>
</scenario>
`;
}

/** The scenario of somebody who calls. */
export function citizenScenario(script: CitizenScript): string {
  const from = `From: <sip:${script.from}@[local_ip]:[local_port]>;tag=[pid]-[call_number]`;
  const uri = `sip:${script.user}@[remote_ip]:[remote_port]`;
  const invite = (lines: string): string => body(`INVITE ${uri} SIP/2.0
${via('invite')}
${from}
To: <${uri}>
Call-ID: [call_id]
CSeq: 1 INVITE
Contact: <sip:phone@[local_ip]:[local_port];transport=[transport]>
Max-Forwards: 70
${allow}
${[...script.headers, lines].join('\n')}`);
  const ack = (target: string, name: string, lines: string): string => body(`ACK ${target} SIP/2.0
${via(name)}
[routes]
${from}
To:[$remote]
Call-ID: [call_id]
CSeq: 1 ACK
Max-Forwards: 70
${lines}`);
  const cancel = body(`CANCEL ${uri} SIP/2.0
${via('invite')}
${from}
To: <${uri}>
Call-ID: [call_id]
CSeq: 1 CANCEL
Max-Forwards: 70
${withoutBody}`);
  const remember = '<action><ereg regexp=".*" search_in="hdr" header="To:" assign_to="remote"/></action>';
  const refusals = final.map((status) => `<recv response="${status}" optional="true" next="refused">${remember}</recv>`).join('\n');
  const patience = script.cancelAfterMs === undefined ? 'timeout="64000" ontimeout="failed"' : `timeout="${script.cancelAfterMs}" ontimeout="cancel"`;
  return wholeScenario('citizen', `
<send retrans="500">${invite(script.lateOffer ? withoutBody : withSdp(script))}</send>
<recv response="100" optional="true" next="proceeding"/>
<recv response="180" optional="true" next="proceeding"/>
<recv response="181" optional="true" next="proceeding"/>
<recv response="183" optional="true" next="proceeding"/>
${refusals}
<recv response="200" rrs="true" next="answered">${remember}</recv>
<label id="proceeding"/>
<recv response="100" optional="true" next="proceeding" ${patience}/>
<recv response="180" optional="true" next="proceeding"/>
<recv response="181" optional="true" next="proceeding"/>
<recv response="183" optional="true" next="proceeding"/>
<recv request="STOPCALLING" optional="true" next="cancel"/>
${refusals}
<recv response="200" rrs="true" ${patience}>${remember}</recv>
<label id="answered"/>
<send>${ack('[next_url]', 'ack', script.lateOffer ? withSdp(script) : withoutBody)}</send>
${play(script)}
${script.keys ? `<pause milliseconds="${script.keys.afterMs}"/>\n<nop><action><exec play_dtmf="${script.keys.keys}"/></action></nop>` : ''}
${conversation(script, script.hangupAfterMs, from, 'To:[$remote]', 'uac')}
<nop next="over"/>
<label id="cancel"/>
<send retrans="500">${cancel}</send>
<label id="cancelled"/>
<recv response="100" optional="true"/>
<recv response="180" optional="true"/>
<recv response="183" optional="true"/>
${final.map((status) => `<recv response="${status}" optional="true" next="refused">${remember}</recv>`).join('\n')}
<recv response="200"><action><ereg regexp="INVITE" search_in="hdr" header="CSeq:" assign_to="held"/></action></recv>
<nop test="held" next="answered"/>
<nop next="cancelled"/>
<label id="refused"/>
<send>${ack(uri, 'invite', withoutBody)}</send>
<nop next="over"/>
<label id="failed"/>
<nop><action><exec int_cmd="stop_call"/></action></nop>
<label id="over"/>`);
}

/** The scenario of an agent's phone: as many calls as come. */
export function agentScenario(media: PhoneMedia, behaviour: AgentBehaviour): string {
  const cancelled = `
<label id="cancelled"/>
<send>${body(`SIP/2.0 200 OK
[last_Via:]
[last_From:]
[last_To:]
[last_Call-ID:]
[last_CSeq:]
${withoutBody}`)}</send>
<send retrans="500">${body(`SIP/2.0 487 Request Terminated
Via:[$via]
From:[$remote]
To:[$local];tag=[pid]-[call_number]
Call-ID: [call_id]
CSeq:[$cseq]
${withoutBody}`)}</send>
<recv request="ACK"/>`;
  const wait = (ms: number, then: string): string => `<recv request="CANCEL" timeout="${Math.max(1, ms)}" ontimeout="${then}" next="cancelled"/>`;
  const path = ((): string => {
    switch (behaviour.kind) {
      case 'ring':
        return `<recv request="CANCEL" next="cancelled"/>`;
      case 'reject':
        return `${wait(behaviour.afterMs, 'reject')}
<label id="reject"/>
<send retrans="500">${respond(`${behaviour.status} ${behaviour.reason}`, { tag: true })}</send>
<recv request="ACK" next="over"/>`;
      case 'answer':
        return `${wait(behaviour.afterMs, 'answer')}
<label id="answer"/>
<send retrans="500">${respond('200 OK', { tag: true, lines: withSdp(media) })}</send>
<recv request="ACK"/>
${play(media)}
${conversation(media, behaviour.hangupAfterMs, 'From:[$local];tag=[pid]-[call_number]', 'To:[$remote]', 'uas')}
<nop next="over"/>`;
    }
  })();
  return wholeScenario('agent', `
<recv request="INVITE" rrs="true"><action>
  <ereg regexp=".*" search_in="hdr" header="Via:" assign_to="via"/>
  <ereg regexp=".*" search_in="hdr" header="From:" assign_to="remote"/>
  <ereg regexp=".*" search_in="hdr" header="To:" assign_to="local"/>
  <ereg regexp=".*" search_in="hdr" header="CSeq:" assign_to="cseq"/>
</action></recv>
<send>${respond('180 Ringing', { tag: true })}</send>
${path}
${cancelled}
<label id="over"/>
<nop/>`);
}
