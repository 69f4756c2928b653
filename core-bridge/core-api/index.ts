export { attrUrl, pageUrl, tenantPath } from './addresses.js';
export { coreListener, type CoreListenerOptions, type CoreTenant } from './core-listener.js';
export { createCoreServer, secureAgain } from './core-server.js';
