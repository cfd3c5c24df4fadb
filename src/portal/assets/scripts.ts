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
SwaggerUIBundle({
  domNode: document.getElementById('explorer'),
  url: document.getElementById('explorer').dataset.openapi,
  deepLinking: false,
  queryConfigEnabled: false,
  validatorUrl: null,
  persistAuthorization: false,
  tryItOutEnabled: true,
  displayRequestDuration: true,
  defaultModelsExpandDepth: -1,
});
`;
