/** What a dialled number leads to, tolerant of how trunks write numbers. */
import type { Tenant } from '../../config/index.js';

export type ServiceConfig = Tenant['services'][number];

/** Shortest number, in digits, of which the front may differ (country code, trunk prefix) and it is still the same. */
const minCommonDigits = 7;

/** `+31 20 123 4567`, `0031201234567` and `0201234567` become the same digits from the right. */
function significant(number: string): string {
  return number.replace(/[^0-9*#]/g, '').replace(/^0+/, '');
}

/**
 * Finds the service of a dialled number: an exact match, then one that differs only in country code or prefix, then
 * the service for any number (`*`).
 * @param dialled user part of the request URI
 */
export function serviceOf<Service extends Pick<ServiceConfig, 'numbers'>>(services: readonly Service[], dialled: string): Service | undefined {
  const wanted = dialled.split(';')[0]!.replace(/[\s().-]/g, '');
  const exact = services.find((service) => service.numbers.includes(wanted));
  if (exact) return exact;
  const digits = significant(wanted);
  if (digits.length >= minCommonDigits) {
    const near = services.find((service) =>
      service.numbers.some((number) => {
        const own = significant(number);
        return own.length >= minCommonDigits && (own.endsWith(digits) || digits.endsWith(own));
      }),
    );
    if (near) return near;
  }
  return services.find((service) => service.numbers.includes('*'));
}
