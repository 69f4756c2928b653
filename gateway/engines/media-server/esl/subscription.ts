/** Which events a connection wants: names, custom subclasses and filters. */
import type { EngineEvent } from '../events.js';

const MAX_NAMES = 256;
const MAX_FILTERS = 64;
/** Events there are, here or on a real server; any other word is no subscription. */
const KNOWN = new Set(
  ('CLONE CHANNEL_CREATE CHANNEL_DESTROY CHANNEL_STATE CHANNEL_CALLSTATE CHANNEL_ANSWER CHANNEL_HANGUP CHANNEL_HANGUP_COMPLETE CHANNEL_EXECUTE ' +
    'CHANNEL_EXECUTE_COMPLETE CHANNEL_HOLD CHANNEL_UNHOLD CHANNEL_BRIDGE CHANNEL_UNBRIDGE CHANNEL_PROGRESS CHANNEL_PROGRESS_MEDIA CHANNEL_OUTGOING ' +
    'CHANNEL_PARK CHANNEL_UNPARK CHANNEL_APPLICATION CHANNEL_ORIGINATE CHANNEL_UUID API LOG INBOUND_CHAN OUTBOUND_CHAN STARTUP SHUTDOWN PUBLISH ' +
    'UNPUBLISH TALK NOTALK SESSION_CRASH MODULE_LOAD MODULE_UNLOAD DTMF MESSAGE PRESENCE_IN PRESENCE_OUT PRESENCE_PROBE MESSAGE_WAITING ROSTER CODEC ' +
    'BACKGROUND_JOB DETECTED_SPEECH DETECTED_TONE PRIVATE_COMMAND HEARTBEAT TRAP ADD_SCHEDULE DEL_SCHEDULE EXE_SCHEDULE RE_SCHEDULE RELOADXML NOTIFY ' +
    'SEND_MESSAGE RECV_MESSAGE REQUEST_PARAMS CHANNEL_DATA GENERAL COMMAND SESSION_HEARTBEAT CLIENT_DISCONNECTED SERVER_DISCONNECTED SEND_INFO RECV_INFO ' +
    'RECV_RTCP_MESSAGE SEND_RTCP_MESSAGE CALL_SECURE NAT RECORD_START RECORD_STOP PLAYBACK_START PLAYBACK_STOP CALL_UPDATE FAILURE SOCKET_DATA ' +
    'MEDIA_BUG_START MEDIA_BUG_STOP CONFERENCE_DATA CALL_SETUP_REQ CALL_SETUP_RESULT CALL_DETAIL DEVICE_STATE TEXT').split(' '),
);

export class Subscription {
  format: 'json' | 'plain' = 'plain';
  private all = false;
  private readonly names = new Set<string>();
  private readonly subclasses = new Set<string>();
  private readonly filters: { name: string; value: string }[] = [];

  /**
   * Adds the words of an `event` command; every word after CUSTOM is a subclass.
   * Returns false when there was nothing to subscribe to.
   */
  add(words: readonly string[]): boolean {
    let custom = false;
    let added = false;
    for (const word of words) {
      if (this.names.size + this.subclasses.size >= MAX_NAMES) break;
      if (custom) {
        this.subclasses.add(word);
        added = true;
        continue;
      }
      const name = word.toUpperCase().replace(/^SWITCH_EVENT_/, '');
      if (name === 'ALL') this.all = added = true;
      else if (name === 'CUSTOM') custom = added = true;
      else if (KNOWN.has(name)) {
        this.names.add(name);
        added = true;
      }
    }
    return added;
  }

  remove(words: readonly string[]): void {
    for (const word of words) {
      this.names.delete(word.toUpperCase().replace(/^SWITCH_EVENT_/, ''));
      this.subclasses.delete(word);
    }
  }

  clear(): void {
    this.all = false;
    this.names.clear();
    this.subclasses.clear();
  }

  wantsName(name: string): boolean {
    return this.all || this.names.has(name);
  }

  addFilter(name: string, value: string): boolean {
    if (this.filters.length >= MAX_FILTERS) return false;
    this.filters.push({ name, value });
    return true;
  }

  /** Without a value: all filters of that header; of `all`: every one. */
  removeFilter(name: string, value: string): void {
    for (let i = this.filters.length - 1; i >= 0; i--) {
      const filter = this.filters[i]!;
      if (name === 'all' || (filter.name === name && (value === '' || filter.value === value))) this.filters.splice(i, 1);
    }
  }

  wants(event: EngineEvent): boolean {
    const { name } = event;
    const subscribed = this.all || (name === 'CUSTOM' ? this.subclasses.has(event.headers['Event-Subclass'] ?? '') : this.names.has(name));
    return subscribed && (this.filters.length === 0 || this.filters.some((filter) => event.headers[filter.name] === filter.value));
  }
}
