/** The path before a tenant's own paths on the core listener. The only tenant of a configuration without tenants, `main`, has none. */
export function tenantPath(tenant: string): string {
  return tenant === 'main' ? '' : `/t/${tenant}`;
}

/** Where the authentication plugin posts the result of a session. @param coreUrl base address of the core listener */
export function attrUrl(coreUrl: string, tenant: string, attrToken: string): string {
  return `${coreUrl}${tenantPath(tenant)}/attr/${attrToken}`;
}

/** The citizen's page of a session. @param publicUrl base address of the public listener */
export function pageUrl(publicUrl: string, pageToken: string): string {
  return `${publicUrl}/c/${pageToken}`;
}
