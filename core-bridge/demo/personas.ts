/** The fields of the test authentication page: attribute name, label, and how a browser may help. */
export const FIELDS = [
  { name: 'fullname', label: 'Full name', type: 'text' },
  { name: 'dateofbirth', label: 'Date of birth', type: 'text' },
  { name: 'city', label: 'Town', type: 'text' },
  { name: 'email', label: 'E-mail address', type: 'email' },
  { name: 'bsn', label: 'Citizen service number (BSN)', type: 'text' },
] as const;

export type Persona = Readonly<Record<(typeof FIELDS)[number]['name'], string>>;

/**
 * Citizens who do not exist, so that two demo calls are easily told apart. Their numbers pass the check of a BSN and begin
 * with 9999, which is given to nobody.
 */
export const PERSONAS: readonly [Persona, ...Persona[]] = [
  { fullname: 'Willeke de Bruijn', dateofbirth: '10-03-1965', city: 'Nijmegen', email: 'willeke@example.org', bsn: '999990019' },
  { fullname: 'Jan-Pieter van der Berg', dateofbirth: '24-11-1981', city: 'Groningen', email: 'janpieter@example.org', bsn: '999990251' },
  { fullname: 'Fatima El Amrani', dateofbirth: '02-07-1992', city: 'Rotterdam', email: 'fatima@example.org', bsn: '999990688' },
  { fullname: 'Sören Yılmaz', dateofbirth: '30-01-1976', city: 'Súdwest-Fryslân', email: 'soren@example.org', bsn: '999991127' },
  { fullname: 'Mei Lin Chen', dateofbirth: '15-09-2001', city: "'s-Hertogenbosch", email: 'meilin@example.org', bsn: '999991565' },
];
