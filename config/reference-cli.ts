import { configurationReference } from './reference.js';

process.stdout.write(configurationReference());
