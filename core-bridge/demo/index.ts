export { demoPages, DemoRefusedError, type DemoPagesOptions } from './demo-pages.js';
