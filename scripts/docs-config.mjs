// Writes docs/configuration.md from the schema of the built program.
import { mkdirSync, writeFileSync } from 'node:fs';
import { referencePage } from '../dist/config/reference/reference-page.js';

const page = new URL('../docs/configuration.md', import.meta.url);
mkdirSync(new URL('.', page), { recursive: true });
writeFileSync(page, referencePage());
