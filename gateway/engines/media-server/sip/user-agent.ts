/** Takes the calls of the SIP side: who may call, what becomes of each request, and which dialog it belongs to. */
import type { ServerTransaction, SipStack } from '../../sip-stack/index.js';
import type { EngineLog } from '../../log.js';
import type { Channel } from '../channel/channel.js';
import { parseTarget, type OutboundTarget } from '../esl/outbound.js';
import { MediaPortsError, SourceRuleError, readSourceRule, type SourceRule } from '../rtp/index.js';
import { ALLOW, SipLeg, offerIn, refuse } from './leg.js';
import { LocalDescription, type AcceptedMedia } from './sdp.js';

/** Only this client is served here; a call from anybody else has reached the wrong port. */
const CLIENT = /^drachtio-fsmrf:/;

export interface UserAgentOptions {
  stack: SipStack;
  /** Address in our session descriptions. */
  host: string;
  userAgent: string;
  maxSessions: number;
  log: EngineLog;
  /** Where an application may be that a call asks to be connected to; anywhere when left out. */
  applicationHosts?: readonly string[];
  createChannel(name: string, source: SourceRule): Promise<Channel>;
  /** Calls the application of an answered channel. */
  connectApplication(channel: Channel, target: OutboundTarget): void;
}

export class UserAgent {
  private readonly legs = new Map<string, SipLeg>();
  private arriving = 0;

  constructor(private readonly options: UserAgentOptions) {
    options.stack.on('request', (transaction) => {
      try {
        this.onRequest(transaction);
      } catch (error) {
        options.log.error({ method: transaction.method, problem: error instanceof Error ? error.message : String(error) }, 'request failed');
        if (transaction.open) transaction.respond(500);
      }
    });
  }

  get dialogs(): number {
    return this.legs.size;
  }

  private onRequest(transaction: ServerTransaction): void {
    const { request } = transaction;
    if (request.toTag !== '') {
      const leg = this.legs.get(legKey(request.callId, request.toTag, request.fromTag));
      if (leg) leg.handle(transaction);
      else transaction.respond(481);
      return;
    }
    switch (transaction.method) {
      case 'INVITE': {
        this.onInvite(transaction).catch((error: unknown) => {
          this.options.log.error({ problem: error instanceof Error ? error.message : String(error) }, 'call could not be taken');
          if (transaction.open) transaction.respond(500);
        });
        return;
      }
      case 'OPTIONS': {
        transaction.respond(200, { headers: { Allow: ALLOW, Accept: 'application/sdp', 'User-Agent': this.options.userAgent } });
        return;
      }
      case 'BYE': {
        transaction.respond(481);
        return;
      }
      default: transaction.respond(405, { headers: { Allow: ALLOW } });
    }
  }

  private mayConnectTo({ host }: OutboundTarget): boolean {
    return this.options.applicationHosts?.includes(host) ?? true;
  }

  private async onInvite(invite: ServerTransaction): Promise<void> {
    const { request } = invite;
    const { host, stack, log, userAgent } = this.options;
    const required = request.list('require');
    if (required.length > 0) {
      invite.respond(420, { headers: { Unsupported: required.join(', ') } });
      return;
    }
    const target = parseTarget(request.get('x-esl-outbound'));
    if (!CLIENT.test(request.get('user-agent') ?? '') || !target || !this.mayConnectTo(target)) {
      invite.respond(404);
      return;
    }
    let source: SourceRule;
    try {
      source = readSourceRule({ source: request.get('x-media-source'), networks: request.get('x-media-networks'), restricted: request.get('x-media-restricted') });
    } catch (error) {
      if (!(error instanceof SourceRuleError)) throw error;
      log.warn({ code: error.code, problem: error.message }, 'a call whose media rule cannot be read');
      invite.respond(400);
      return;
    }
    if (this.legs.size + this.arriving >= this.options.maxSessions) {
      invite.respond(503, { headers: { 'Retry-After': '5' } });
      return;
    }
    let media: AcceptedMedia | undefined;
    try {
      media = request.body.length > 0 ? offerIn(request) : undefined;
    } catch (error) {
      refuse(invite, error);
      return;
    }
    this.arriving++;
    let channel: Channel;
    try {
      channel = await this.options.createChannel(`drachtio@${invite.source.address}:${invite.source.port}`, source);
    } catch (error) {
      if (!(error instanceof MediaPortsError)) throw error;
      log.warn({ code: error.code }, 'no media port for a call');
      if (invite.open) invite.respond(503, { headers: { 'Retry-After': '5' } });
      return;
    } finally {
      this.arriving--;
    }
    if (!invite.open) {
      // given up meanwhile
      channel.hangup('ORIGINATOR_CANCEL');
      return;
    }
    const key = legKey(request.callId, invite.localTag, request.fromTag);
    const leg = new SipLeg({
      stack,
      invite,
      channel,
      description: new LocalDescription(host, channel.session.localPort),
      userAgent,
      log,
      onReady: () => this.options.connectApplication(channel, target),
      onEnd: () => this.legs.delete(key),
    });
    this.legs.set(key, leg);
    channel.setVariable('sip_user_agent', request.get('user-agent'));
    channel.setVariable('sip_call_id', request.callId);
    channel.setVariable('sip_h_X-esl-outbound', request.get('x-esl-outbound'));
    // as FreeSWITCH's dialplan has it (docker/freeswitch/dialplan.xml): whoever asks is told that the rule was understood
    if (source.mode === 'described') channel.setVariable('disable_rtp_auto_adjust', 'true');
    channel.setVariable('jitterbuffer_msec', '20:60');
    channel.setVariable('local_media_ip', host);
    channel.setVariable('local_media_port', String(channel.session.localPort));
    if (media) channel.setVariable('switch_r_sdp', request.body.toString('utf8'));
    channel.enterBase('socket', `${target.host}:${target.port} async full`, false);
    leg.answer(media);
  }
}

const legKey = (callId: string, localTag: string, remoteTag: string): string => `${callId}\n${localTag}\n${remoteTag}`;
