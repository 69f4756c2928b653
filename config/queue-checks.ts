import type { PlacedTenant } from './forms.js';
import type { Problem } from './problems.js';

/** Which settings of a queue go together, and whether there is anybody for its callers. */
export function queueChecks({ at, tenant }: PlacedTenant): Problem[] {
  const whole = tenant.agents?.every((agent) => agent?.skills?.every((skill) => skill !== undefined));
  const agents = whole ? tenant.agents?.filter((agent) => agent?.phone !== undefined).map((agent) => agent?.skills ?? []) : undefined;
  const known = [...new Set(agents?.flat())];
  return (tenant.services ?? []).flatMap((service, s): Problem[] => {
    const key = `${at}services[${s}].queue`;
    const { skills = [], overflow, maxWaiting, maxWaitMs } = service?.queue ?? {};
    const problems: Problem[] = [];
    if (agents) {
      const missing = skills.flatMap((skill, i) => (skill === undefined || known.includes(skill) ? [] : [{ key: `${key}.skills[${i}]`, fault: 'is a skill that no agent has', fix: `Give it to an agent in ${at}agents[].skills, or correct it${known.length > 0 ? `; known are ${known.join(', ')}` : ''}` }]));
      problems.push(...missing);
      const served = agents.some((has) => skills.every((skill) => skill !== undefined && has.includes(skill)));
      if (skills.length > 1 && missing.length === 0 && !served) problems.push({ key: `${key}.skills`, fault: 'asks for skills that no agent has all of', fix: 'Give one agent all of them, or ask for fewer' });
    }
    if (overflow?.when?.includes('closed') && service?.queue?.hours === undefined) problems.push({ key: `${key}.overflow.when`, fault: 'names closed while the queue has no hours', fix: 'Give hours, or remove closed' });
    if (overflow?.when?.includes('full') && maxWaiting === undefined) problems.push({ key: `${key}.overflow.when`, fault: 'names full while the queue has no maxWaiting', fix: 'Give maxWaiting, or remove full' });
    if (overflow?.afterSeconds !== undefined) {
      if (overflow.when && !overflow.when.includes('waitedTooLong')) problems.push({ key: `${key}.overflow.afterSeconds`, fault: 'is given while `when` does not name waitedTooLong', fix: 'Add waitedTooLong to `when`, or remove it' });
      if (maxWaitMs !== undefined && overflow.afterSeconds * 1_000 > maxWaitMs) problems.push({ key: `${key}.overflow.afterSeconds`, fault: `is ${overflow.afterSeconds}, which is longer than maxWaitMs, ${maxWaitMs}`, fix: 'Let it be the shorter one' });
    }
    return problems;
  });
}
