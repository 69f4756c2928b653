/**
 * Telling an agent who has no screen at hand who is calling, on the agent's own phone and before the two are connected.
 * What is spelled takes the place of a pop, so the same holds: it is spelled to an agent who has shown by a PIN who they
 * are, after it stands in the audit trail, and pressing 1 is the acknowledgement.
 */
import { verifyPassword, type AgentConfig } from '../../config/index.js';
import type { RevealedIdentity } from '../../core-bridge/index.js';
import { whisper, type SpelledValue, type SpokenCode, type Voice, type WhisperEnd } from '../../ivr/index.js';
import type { LiveCall } from './live-call.js';

export type SpelledKind = NonNullable<AgentConfig['whisper']>['spell'][number];

/** What is spelled, by the names that authentication plugins give it. */
const spelled: Record<SpelledKind, { label: SpelledValue['label']; names: readonly string[] }> = {
  surname: { label: 'spell-surname', names: ['surname', 'familyname', 'family_name', 'lastname', 'last_name', 'achternaam'] },
  givenNames: { label: 'spell-given-names', names: ['firstname', 'firstnames', 'first_name', 'given_name', 'voornaam', 'voornamen'] },
  birthDate: { label: 'spell-birth-date', names: ['dateofbirth', 'date_of_birth', 'birthdate', 'geboortedatum'] },
  postcode: { label: 'spell-postcode', names: ['zipcode', 'postalcode', 'postal_code', 'postcode'] },
  houseNumber: { label: 'spell-house-number', names: ['housenumber', 'house_number', 'huisnummer'] },
};

/** Wrong PINs of one agent in an hour before none is taken any more. */
const wrongPinsAnHour = 6;
const hourMs = 3_600_000;

/** Wrong PINs by agent, over all calls of this node. Bounded by the agents there are. */
export class PinGuard {
  private readonly wrong = new Map<string, { count: number; since: number }>();

  async isRight({ name, whisper: settings }: AgentConfig, pin: SpokenCode): Promise<boolean> {
    const now = Date.now();
    const before = this.wrong.get(name);
    const recent = before && now - before.since < hourMs ? before : { count: 0, since: now };
    if (recent.count >= wrongPinsAnHour || settings?.pinHash === undefined) return false;
    if (await verifyPassword(pin.reveal(), settings.pinHash.reveal())) {
      this.wrong.delete(name);
      return true;
    }
    this.wrong.set(name, { count: recent.count + 1, since: recent.since });
    return false;
  }
}

export interface Whispering {
  /** As the configuration has it at the moment; undefined: somebody who is to be told nothing any more. */
  readonly agent: () => AgentConfig | undefined;
  /** null: there is nothing to tell of the caller. */
  readonly identity: RevealedIdentity | null;
  readonly waitedMs: number;
  /** Writes down that these attributes are about to be told. @throws AuditError: then they are not */
  readonly record: (fields: string[]) => Promise<void>;
}

/** @throws the signal's reason, MediaError */
export function whisperToAgent(call: LiveCall, voice: Voice, pins: PinGuard, { agent, identity, waitedMs, record }: Whispering, signal: AbortSignal): Promise<WhisperEnd> {
  const { identity: status } = call.state;
  const values = identity ? valuesOf(identity.attributes, agent()?.whisper?.spell ?? []) : [];
  const method = /^(digid|yivi|irma|itsme)$/i.exec(identity?.authMethod ?? '')?.[1]?.toLowerCase().replace('irma', 'yivi') as 'digid' | 'yivi' | 'itsme' | undefined;
  return whisper(voice, {
    language: call.service.language,
    identified: identity ? 'verified' : status === 'awaiting' || status === 'failed' ? status : 'none',
    ...(method && { method }),
    waitedMs,
    ...(values.length > 0 && {
      spell: values.map(({ value }) => value),
      pin: {
        isRight: async (pin: SpokenCode) => {
          const now = agent();
          return now !== undefined && pins.isRight(now, pin);
        },
      },
      beforeSpelling: async () => {
        if (!agent()) return false;
        await record(values.map(({ field }) => field));
        return true;
      },
    }),
  }, signal);
}

function valuesOf(attributes: Readonly<Record<string, string>>, kinds: readonly SpelledKind[]): { field: string; value: SpelledValue }[] {
  return kinds.flatMap((kind) => {
    const { label, names } = spelled[kind];
    const field = Object.keys(attributes).find((name) => names.includes(name.toLowerCase().slice(name.lastIndexOf('.') + 1)));
    return field === undefined ? [] : [{ field, value: { label, text: attributes[field]! } }];
  });
}
