/** Shows the copy buttons, which need script, and copies what `data-copy` names. */
export const COPY_JS = `for (const button of document.querySelectorAll('button[data-copy]')) {
  const source = document.getElementById(button.dataset.copy);
  const status = document.getElementById('copy-status');
  const label = button.textContent;
  const select = () => {
    const range = document.createRange();
    range.selectNodeContents(source);
    const selection = getSelection();
    selection.removeAllRanges();
    selection.addRange(range);
  };
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(source.textContent);
      return 'Copied';
    } catch {
      select();
      return 'Press Ctrl+C';
    }
  };
  button.hidden = false;
  button.addEventListener('click', async () => {
    const said = await copy();
    button.textContent = said;
    status.textContent = said + ': ' + (button.dataset.what ?? '');
    setTimeout(() => { button.textContent = label; }, 2000);
  });
}
`;

/** Posts the form of a page that sends the browser away. */
export const SEND_AWAY_JS = `document.getElementById('send-away').requestSubmit();
`;

/** Starts the API explorer on this gateway’s own description; no other document can be loaded into it. */
export const EXPLORER_JS = `const dark = matchMedia('(prefers-color-scheme: dark)');
const follow = () => document.documentElement.classList.toggle('dark-mode', dark.matches);
follow();
dark.addEventListener('change', follow);
// Calls carry the session of the page: there is nothing to authorize, no other server, and the title stands above.
const nothing = () => () => null;
const plain = {
  wrapComponents: {
    authorizeBtn: nothing, AuthorizeBtnContainer: nothing, authorizeOperationBtn: nothing,
    InfoContainer: nothing, ServersContainer: nothing, SchemesContainer: nothing,
  },
};
// What the explorer leaves unnamed, and its second <main>, are mended as they appear.
const explorer = document.getElementById('explorer');
const mend = () => {
  explorer.querySelector('main')?.setAttribute('role', 'group');
  for (const field of explorer.querySelectorAll('select:not([aria-label]), textarea:not([aria-label])')) {
    const named = field.closest('[data-param-name]')?.dataset.paramName ?? field.closest('tr')?.firstElementChild?.textContent;
    field.setAttribute('aria-label', named ?? 'Request body');
  }
  for (const pre of explorer.querySelectorAll('pre.microlight:not([tabindex])')) pre.tabIndex = 0;
  for (const table of explorer.querySelectorAll('table[role="region"]:not([aria-label])')) {
    table.setAttribute('aria-label', 'Responses of ' + (table.closest('.opblock')?.id ?? ''));
  }
};
new MutationObserver(mend).observe(explorer, { childList: true, subtree: true });
SwaggerUIBundle({
  domNode: explorer,
  url: explorer.dataset.openapi,
  plugins: [plain],
  deepLinking: false,
  queryConfigEnabled: false,
  validatorUrl: null,
  persistAuthorization: false,
  tryItOutEnabled: true,
  displayRequestDuration: true,
  syntaxHighlight: { activated: false },
  defaultModelsExpandDepth: -1,
});
`;
