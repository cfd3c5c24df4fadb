// `npm run demo` prints a URL, a token and four commands; each works as printed. By the URL a person signs in either way, makes
// a token, pastes the lines that the page shows, and gets jobs.
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { signInAs } from '../test/world/browser.ts';
import { unescapeHtml } from '../test/world/browser-forms.ts';
import { createFigures } from './figures.ts';
import { readFlags } from './flags.ts';
import { startDemo } from './stage.ts';

readFlags({});
const run = promisify(execFile);
await using demo = await startDemo();
const figures = createFigures('The demo’s commands, as printed');
figures.add(
  'URL, user and token',
  'printed',
  demo.url,
  demo.url !== '' && demo.user !== '' && demo.token.startsWith('vgw_'),
);
figures.add('commands', '4', demo.commands.length, demo.commands.length === 4);

const expected: readonly [string, RegExp][] = [
  ['the queue name', /"rows":\[\["demo"\]\]/],
  ['a job id', /"jobid":"?\d+/],
  ['the job in the list', /sleep 60/],
  ['a gateway token', /"access_token":"vgw_/],
];
for (const [at, [what, pattern]] of expected.entries()) {
  const env = { ...process.env, NC_URL: demo.url, USER: demo.user, TOKEN: demo.token };
  const { stdout } = await run('bash', ['-c', demo.commands[at] ?? 'false'], { env }).catch(() => ({ stdout: '' }));
  figures.add(demo.commands[at]?.slice(0, 60) ?? 'missing', what, stdout.slice(0, 60), pattern.test(stdout));
}

/** Pastes lines into a shell, and at its prompt the token that the page shows. */
function paste(lines: string, html: string) {
  const pasted = run('bash', ['-c', lines]);
  pasted.child.stdin?.end(`${textOf(html, 'token')}\n`);
  return pasted;
}

/** The text of an element of a page by its id, as a person would copy it. */
const textOf = (html: string, id: string): string =>
  unescapeHtml(new RegExp(`id="${id}"[^>]*>([^<]*)<`).exec(html)?.[1] ?? '');

for (const [way, person] of [
  ['oidc', 'alice'],
  ['saml', 'bob'],
] as const) {
  const { browser, page } = await signInAs(demo.url, `${way}/${way}`, person);
  figures.add(`${person} signs in by ${way}`, '200', page.status, page.status === 200);
  const form = await browser.open(`${demo.url}/ui/tokens`);
  const fields = { label: 'proof', scopes: 'submit', life: '86400000' };
  const made = await browser.submit(form, fields, { form: ({ blanks }) => blanks.includes('label') });
  const both = await browser.submit(
    await browser.open(`${demo.url}/ui/tokens`),
    { ...fields, label: 'proof to read', scopes: 'read' },
    { form: ({ blanks }) => blanks.includes('label') },
  );
  const job = `{"command":"sleep 60","logfile":"LOG.${person}","rundir":"/tmp","env":"BASE"}`;
  const submit = `curl -s -H "Authorization: Bearer $VOVGW_TOKEN" -H 'Content-Type: application/json' -d '${job}' $NC_URL/api/v3/jobs`;
  const submitted = await paste(`${textOf(made.body, 'lines-env')}\n${submit}`, made.body);
  figures.add(
    'a job with the token of the page',
    'a job id',
    submitted.stdout.slice(0, 40),
    /jobid/.test(submitted.stdout),
  );
  const pasted = `${textOf(both.body, 'lines-env')}\n${textOf(both.body, 'lines-curl')}`;
  const { stdout } = await paste(pasted, both.body).catch(() => ({ stdout: '' }));
  figures.add('the lines to paste, as shown', 'the job in the list', stdout.slice(-60).trim(), /sleep 60/.test(stdout));
}
figures.print();
