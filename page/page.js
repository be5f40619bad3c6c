// The page: draws what the daemon says each time it says something. Nothing that came from the network is ever
// taken as markup: texts are set as texts.

const at = (id) => document.getElementById(id);
let state;
let chosen;
let token = sessionStorage.getItem('castgate-token') ?? '';

/** An element with properties and children; texts become text nodes. */
function el(name, props = {}, ...children) {
  const element = Object.assign(document.createElement(name), props);
  element.append(...children.flat().filter((child) => child !== undefined && child !== ''));
  return element;
}

const amount = (n) => {
  const units = ['', 'k', 'M', 'G', 'T'];
  let unit = 0;
  for (; n >= 1000 && unit < units.length - 1; unit++) n /= 1000;
  return `${unit === 0 ? n : n.toPrecision(3)} ${units[unit]}B`.replace(' B', ' B');
};
const ago = (then) => {
  const s = Math.max(0, Math.floor((state.at - then) / 1000));
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min`;
  return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
};
const sum = (counts) => Object.values(counts ?? {}).reduce((a, b) => a + b, 0);
const list = (pairs) =>
  el('dl', {}, ...pairs.flatMap(([name, value]) => [el('dt', {}, name), el('dd', {}, String(value ?? '–'))]));

/** What a port looks like, and in words for those who see no colours. */
function looks({ port, up, mode }) {
  const hosts = state.sessions.filter((host) => host.port === port);
  const inside = hosts.filter((host) => host.authorized).length;
  if (!up) return ['down', 'no link'];
  if (mode === 'force-authorized') return ['open', 'always open'];
  if (mode === 'monitor') return ['open', `monitor, ${inside} in`];
  if (inside > 0) return ['in', `${inside} in`];
  if (hosts.some((host) => host.state === 'HELD')) return ['held', 'refused'];
  if (hosts.length > 0) return ['asking', 'logging in'];
  return ['up', mode === 'force-unauthorized' ? 'always shut' : 'nobody in'];
}

function drawPanel() {
  const jacks = state.ports.map((port) => {
    const [look, words] = looks(port);
    const watching = state.groups.filter((row) => row.port === port.port && row.state === 'granted').length;
    return el(
      'button',
      {
        className: `jack ${look}`,
        type: 'button',
        ariaPressed: String(port.port === chosen),
        onclick: () => {
          chosen = port.port === chosen ? undefined : port.port;
          draw();
        },
      },
      el('b', {}, port.port),
      el('span', {}, words, watching > 0 ? ` · ${watching} ch` : ''),
    );
  });
  const focused = document.activeElement?.querySelector?.('b')?.textContent;
  at('panel').replaceChildren(
    ...(jacks.length > 0 ? jacks : [el('p', { className: 'faint' }, state.idle ?? 'no ports')]),
  );
  jacks.find((jack) => jack.querySelector('b').textContent === focused)?.focus();
}

function drawPort() {
  const port = state.ports.find((one) => one.port === chosen);
  const place = at('port');
  place.hidden = port === undefined;
  if (port === undefined) return;
  const hosts = state.sessions.filter((host) => host.port === chosen);
  const strangers = new Set(
    state.groups
      .filter((row) => row.port === chosen && !hosts.some((h) => h.mac === row.mac))
      .map((row) => row.mac),
  );
  const drops = Object.entries(port.drops).filter(([, n]) => n > 0);
  place.replaceChildren(
    el('h2', {}, `Port ${port.port}`),
    ...hosts.map(drawHost),
    ...[...strangers].map((mac) => drawHost({ mac, account: null, state: 'not logged in', port: chosen })),
    hosts.length + strangers.size === 0 ? el('p', { className: 'faint' }, 'Nobody is there.') : '',
    drops.length > 0
      ? el('p', { className: 'faint' }, `Dropped: ${drops.map(([why, n]) => `${why} ${n}`).join(', ')}`)
      : '',
    acts(
      [port.up ? 'Shut port' : '', 'port-shut', { port: chosen }],
      [port.up ? '' : 'Open port', 'port-open', { port: chosen }],
    ),
  );
}

function drawHost(host) {
  const rows = state.groups.filter((row) => row.port === host.port && row.mac === host.mac);
  const look = host.authorized ? 'in' : host.state === 'HELD' || host.account === null ? 'held' : 'asking';
  return el(
    'article',
    { className: `card ${look}` },
    el('h3', {}, host.account ?? 'nobody known'),
    list([
      ['MAC', host.mac],
      ['State', host.state],
      ...(host.letThrough ? [['Let through, although', host.letThrough]] : []),
      ...(host.authorized
        ? [
            ['In for', ago(host.since)],
            ['By', host.server],
            ['Sent', amount(host.octetsIn)],
            ['Received, without channels', amount(host.octetsOut)],
          ]
        : []),
    ]),
    el(
      'ul',
      { className: 'plain' },
      ...rows.map((row) =>
        el(
          'li',
          {},
          el('b', {}, row.source === null ? row.group : `${row.group} from ${row.source}`),
          row.state === 'granted'
            ? `watches, ${amount(row.octets)} (by ${row.by})`
            : row.state === 'refused'
              ? el('span', { className: 'why' }, `refused: ${row.reason}`)
              : 'waits for RADIUS',
          row.state === 'granted'
            ? acts(['Revoke', 'revoke', { account: row.account, group: row.group }])
            : '',
        ),
      ),
    ),
    host.authorized
      ? acts(
          ['Authenticate again', 'reauth', { mac: host.mac, port: host.port }],
          ['Disconnect', 'disconnect', { mac: host.mac, port: host.port }],
        )
      : '',
  );
}

function acts(...orders) {
  if (token === '') return '';
  return el(
    'div',
    { className: 'acts' },
    ...orders
      .filter(([name]) => name !== '')
      .map(([name, verb, params]) =>
        el('button', { type: 'button', onclick: () => order(verb, params) }, name),
      ),
  );
}

function drawChannels() {
  const byGroup = Map.groupBy
    ? Map.groupBy(state.groups, (row) => row.group)
    : state.groups.reduce((map, row) => map.set(row.group, [...(map.get(row.group) ?? []), row]), new Map());
  const cards = [...byGroup]
    .sort(([a], [b]) => a.localeCompare(b, 'en', { numeric: true }))
    .map(([group, rows]) => {
      const of = (wanted) => rows.filter((row) => row.state === wanted);
      const who = (row) => `${row.account ?? row.mac} (${row.port})`;
      const refused = of('refused');
      return el(
        'article',
        { className: `card ${of('granted').length > 0 ? 'in' : 'held'}` },
        el('h3', {}, group),
        el(
          'p',
          {},
          of('granted').length === 0 ? 'nobody watches' : `watched by ${of('granted').map(who).join(', ')}`,
        ),
        refused.length > 0
          ? el(
              'ul',
              { className: 'refused' },
              ...refused.map((row) =>
                el('li', {}, `${who(row)} `, el('span', { className: 'why' }, `refused: ${row.reason}`)),
              ),
            )
          : '',
      );
    });
  at('channels').className = 'cards';
  at('channels').replaceChildren(
    ...(cards.length > 0 ? cards : [el('p', { className: 'faint' }, 'No channels.')]),
  );
}

function drawRadius() {
  at('radius').replaceChildren(
    state.radius.length === 0 ? el('p', { className: 'faint' }, state.idle ?? 'No servers.') : '',
    ...state.radius.map((row) =>
      el(
        'article',
        { className: `card ${row.state === 'alive' ? 'in' : 'held'}` },
        el(
          'h3',
          {},
          `${row.server} `,
          el('span', { className: row.state === 'alive' ? 'faint' : 'why' }, row.state),
        ),
        list([
          ['Address', row.address],
          ['Round trip', row.rttMs === null ? '–' : `${row.rttMs.toFixed(1)} ms`],
          ['Accepts / rejects', `${row.accepts} / ${row.rejects}`],
          ['In flight', row.inFlight],
          ['Silence', row.timeouts],
          ['Dropped answers', sum(row.discarded)],
        ]),
      ),
    ),
  );
}

function drawNode() {
  const { ha } = state;
  const accounting = state.accounting[0];
  const look = (good) => `card ${good ? 'in' : 'held'}`;
  at('node').replaceChildren(
    ha === null
      ? el(
          'article',
          { className: look(state.serving) },
          el('h3', {}, 'alone'),
          list([['Serves', state.serving ? 'yes' : 'no']]),
        )
      : el(
          'article',
          { className: look(ha.state === 'in-step') },
          el('h3', {}, `node ${ha.node}: ${ha.role}`),
          list([
            [ha.role === 'standby' ? 'Its records' : 'Its standby', ha.state],
            ['Lag', ha.lagMs === null ? '–' : `${ha.lagMs} ms, ${ha.lagRecords} records`],
            ['Round trip', ha.roundTripMs === null ? '–' : `${ha.roundTripMs} ms`],
            ['Epoch', ha.epoch],
            ['Last change of roles', ha.lastChangeAt === null ? '–' : `${ago(ha.lastChangeAt)} ago`],
          ]),
        ),
    accounting === undefined
      ? ''
      : el(
          'article',
          { className: look(['ok', 'off'].includes(accounting.state)) },
          el('h3', {}, `accounting: ${accounting.state}`),
          list([
            ['Waiting', `${accounting.waiting} of ${accounting.limit}`],
            ['Running', accounting.running],
            ['Lost', sum(accounting.lost)],
          ]),
        ),
  );
  const alarms = [
    ha?.alone ? 'This node serves alone: no standby is in step.' : '',
    ha?.role === 'standby' && ha.state !== 'in-step' ? 'This standby is not in step.' : '',
    ...state.radius
      .filter((row) => row.state !== 'alive')
      .map((row) => `RADIUS server ${row.server} does not answer.`),
  ].filter((alarm) => alarm !== '');
  at('alarms').replaceChildren(...alarms.map((alarm) => el('p', {}, alarm)));
}

function draw() {
  if (state === undefined) return;
  at('name').textContent = `${state.name} · ${state.version}`;
  document.title = `${state.name} – castgate`;
  drawPanel();
  drawPort();
  drawChannels();
  drawRadius();
  drawNode();
  at('unlock').hidden = !state.actions;
}

async function order(verb, params) {
  const said = at('said');
  const answer = await fetch('/api/order', {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', Authorization: `Bearer ${token}` },
    body: JSON.stringify({ verb, params }),
  }).catch(() => undefined);
  const told = await answer?.json().catch(() => undefined);
  said.textContent = told?.ok ? `done: ${told.result.done.join(', ')}` : (told?.error ?? 'no answer');
  if (answer?.status === 401) {
    token = '';
    sessionStorage.removeItem('castgate-token');
    draw();
  }
}

at('unlock').addEventListener('submit', (event) => {
  event.preventDefault();
  token = at('token').value.trim();
  at('token').value = '';
  sessionStorage.setItem('castgate-token', token);
  at('said').textContent = token === '' ? 'locked' : 'unlocked';
  draw();
});

const events = new EventSource('/api/events');
events.addEventListener('state', (event) => {
  state = JSON.parse(event.data);
  at('live').textContent = 'live';
  at('live').className = 'on';
  draw();
});
events.addEventListener('error', () => {
  at('live').textContent = 'connection lost, trying again …';
  at('live').className = '';
});
