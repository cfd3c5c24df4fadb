import type { Person } from './people.ts';

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** Escapes text for HTML and XML, in elements and in attributes. */
export const escapeText = (text: string): string => text.replace(/[&<>"']/g, (sign) => ENTITIES[sign] ?? sign);

const STYLE = `:root{color-scheme:light dark}body{font:1rem/1.5 system-ui,sans-serif;max-width:28rem;margin:3rem auto;padding:0 1rem}
h1{font-size:1.4rem}button{font:inherit;display:block;width:100%;text-align:left;padding:.6rem .9rem;margin:.5rem 0;border:1px solid;
border-radius:.4rem;background:none;color:inherit;cursor:pointer}button:focus-visible,input:focus-visible{outline:3px solid #2563eb;outline-offset:2px}
input{font:inherit;width:100%;box-sizing:border-box;padding:.5rem}small{display:block}a{color:inherit}.demo{border-left:.3rem solid #d97706;padding-left:.8rem}`;

const page = (title: string, body: string): string => `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeText(title)} · Demo identity provider</title><style>${STYLE}</style></head>
<body><main><h1>${escapeText(title)}</h1>
${body}
</main></body></html>
`;

const NOTE = '<p class="demo">This is a demo: it asks for no password, and nobody here is real.</p>';

const hidden = (name: string, value: string): string =>
  `<input type="hidden" name="${escapeText(name)}" value="${escapeText(value)}">`;

/** Who are you? Three buttons and a field; `onward` is the path to go on to. */
export function loginPage(people: readonly Person[], onward: string, problem: string | null = null): string {
  const buttons = people.map(
    (person) => `<button name="person" value="${escapeText(person.name)}">${escapeText(person.displayName)}
<small>${escapeText(person.name)} · ${escapeText(person.groups.join(', '))}</small></button>`,
  );
  return page(
    'Sign in',
    `${NOTE}
${problem === null ? '' : `<p role="alert">${escapeText(problem)}</p>`}
<form method="post" action="/login">${hidden('onward', onward)}
${buttons.join('\n')}</form>
<form method="post" action="/login">${hidden('onward', onward)}
<label for="person">Or type a user name</label><input id="person" name="person" autocomplete="username" required>
<button>Sign in</button></form>`,
  );
}

/** The front page: who is signed in, and the way out. */
export function homePage(person: Person | null): string {
  if (person === null) return page('Demo identity provider', `${NOTE}<p><a href="/login">Sign in</a></p>`);
  return page(
    'Demo identity provider',
    `${NOTE}<p>Signed in as <strong>${escapeText(person.displayName)}</strong>.</p><p><a href="/logout">Sign out everywhere</a></p>`,
  );
}

/** Asks before it signs out of everything. */
export const logoutPage = (): string =>
  page(
    'Sign out everywhere',
    `${NOTE}<p>This ends your session here and at every application that you signed in to from here.</p>
<form method="post" action="/logout"><button>Sign out everywhere</button></form>`,
  );

/** After the logout. `failed` names applications that could not be told. */
export const signedOutPage = (failed: readonly string[]): string =>
  page(
    'Signed out',
    failed.length === 0
      ? '<p>You are signed out everywhere.</p>'
      : `<p role="alert">You are signed out here, but these could not be told:</p><ul>${failed
          .map((one) => `<li>${escapeText(one)}</li>`)
          .join('')}</ul>`,
  );

/** Says what went wrong, for people and for tests. */
export const errorPage = (title: string, text: string): string =>
  page(title, `<p role="alert">${escapeText(text)}</p>`);

/** A form that posts itself to another site, with a button for browsers without script. */
export function autoPostPage(action: string, fields: Readonly<Record<string, string>>): string {
  const inputs = Object.entries(fields).map(([name, value]) => hidden(name, value));
  return page(
    'Going back',
    `<form method="post" action="${escapeText(action)}">${inputs.join('')}<button>Continue</button></form>
<script>document.forms[0].submit()</script>`,
  );
}

/** The confirmation of oidc-provider's own logout, which posts itself. */
export const confirmLogoutPage = (form: string): string =>
  page(
    'Sign out',
    `${form.replace('</form>', `${hidden('logout', 'yes')}<button>Sign out</button></form>`)}
<script>document.forms[0].submit()</script>`,
  );
