/**
 * docs/configuration.md, made from the schema: `npm run docs:config` writes it, and a test compares it, so
 * that the page cannot say anything else than the program does.
 */
import { describeKeys, type KeyDescription } from './reference.ts';

/** The page as Markdown. */
export function referencePage(): string {
  const keys = describeKeys();
  const sections = keys.filter((key) => key.holds !== undefined);
  const parts = [
    INTRODUCTION,
    '## Top level\n',
    keyTable(keys.filter((key) => parentOf(key.path) === '' && !holds(key))),
  ];
  for (const section of sections) {
    parts.push(`## \`${section.path}\`\n`, `${sentence(section)}\n`);
    const own = keys.filter((key) => parentOf(key.path) === entryOf(section) && !holds(key));
    if (own.length > 0) parts.push(keyTable(own));
  }
  return `${parts.join('\n')}${CHECKS}`;
}

function keyTable(keys: readonly KeyDescription[]): string {
  const rows = keys.map(({ path, form, range, fallback, required, about }) => {
    const name = path.slice(path.lastIndexOf('.') + 1);
    const preset = required === true ? '**required**' : fallback === undefined ? '-' : `\`${fallback}\``;
    return `| \`${name}\` | ${cell(range === undefined ? form : `${form}, ${range}`)} | ${preset} | ${cell(about)} |`;
  });
  return ['| key | value | default | meaning |', '|---|---|---|---|', ...rows, ''].join('\n');
}

function sentence(section: KeyDescription): string {
  const about = section.about.charAt(0).toUpperCase() + section.about.slice(1);
  const form = { one: '', named: ' One entry for each name.', list: ' A list, one item for each.' }[
    section.holds ?? 'one'
  ];
  const needed = section.required === true ? ' Required.' : ' May be left out.';
  return `${about}.${form}${needed}`;
}

function holds(key: KeyDescription): boolean {
  return key.holds !== undefined;
}

/** What the paths of a section's own keys begin with. */
function entryOf(section: KeyDescription): string {
  return section.path + { one: '', named: '.NAME', list: '[]' }[section.holds ?? 'one'];
}

function parentOf(path: string): string {
  return path.slice(0, Math.max(0, path.lastIndexOf('.')));
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|');
}

const INTRODUCTION = `# Configuration

One YAML file. [castgate.example.yaml](../castgate.example.yaml) has every key with its default and a comment;
\`castgate check FILE\` says everything that is wrong with a file, each with line and column, and touches nothing.
This page is made from the schema by \`npm run docs:config\`.

- **Durations** are a number and a unit: \`500ms\`, \`30s\`, \`10m\`, \`1h\`, \`2d\`, or several from large to small as
  in \`1h30m\`. A number without a unit is an error.
- **Addresses** are IPv4 or IPv6 addresses; names are not looked up.
- **Secrets** are never in the file. \`secret_file\` names a file with the secret alone, mode 0600; one line end
  after it does not count. A relative path starts at the folder of the configuration.
- A **key that nobody knows** is an error, with the key that was probably meant.
- A section whose keys all have defaults may be left out.
`;

const CHECKS = `## What is checked beside ranges

Errors (exit 2, nothing is touched):

- a port is subscriber port or uplink, not both, and not the bridge; no port is named twice
- \`nas\` has an identifier or an address (RFC 2865 §4.1); the address is not link-local (RFC 5080 §2.7.1)
- servers have different names, and no two have the same address and port; a source address is of the
  server's family; lists of servers name servers that are there, each once
- \`secret_file\` is a plain file that can be read and is not empty
- \`default_permit\` ≤ \`max_permit\`, \`initial\` ≤ \`max_interval\` and \`max_duration\`, \`max_groups_per_host\` ≤
  \`max_groups_per_port\`, \`max_hosts_per_port\` ≤ \`max_hosts\`, \`query_response_interval\` < \`query_interval\`

Warnings (the daemon starts):

- a secret of 12 octets or fewer, or in a file that others may read or write
- \`require_message_authenticator: false\`
- a port with \`mode: force-authorized\`, or in \`mode: monitor\`
- no uplink
- ports × \`max_groups_per_port\` over \`hash_max\`
- an \`interim_interval\` under 60 s
`;
