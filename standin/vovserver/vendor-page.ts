import type { Reply } from './reply.ts';

/** A word in each page outside REST v3, so that a test can prove where a gateway shows one. */
export const MARKER = 'standin-marker';

const PAGE = `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>REST API documentation</title>
<link rel="stylesheet" href="/html/vovrest.css">
</head>
<body>
<main>
<h1>REST API documentation</h1>
<p>A small page of the kind that vovserver serves: what can be asked, and a button that asks it
(<code>${MARKER} /html/vovrest.html</code>).</p>
<section id="operation" style="border-width: 1px">
<h2><b>GET</b> <code>/api/v3/project/1/project</code></h2>
<p>The name of the queue.</p>
<button type="button" id="try">Try it out</button>
<h3>Answer <span id="status" role="status"></span></h3>
<pre id="answer" tabindex="0" role="region" aria-label="Answer"></pre>
</section>
</main>
<script>window.operation = '/api/v3/project/1/project';</script>
<script src="/html/vovrest.js"></script>
</body>
</html>
`;

const SCRIPT = `'use strict';
document.getElementById('try').addEventListener('click', async () => {
  const status = document.getElementById('status');
  const answer = document.getElementById('answer');
  status.textContent = '…';
  try {
    const response = await fetch(window.operation, { headers: { Accept: 'application/json' } });
    status.textContent = String(response.status);
    answer.textContent = await response.text();
  } catch (error) {
    status.textContent = 'failed';
    answer.textContent = String(error);
  }
});
`;

const STYLE = `body { font-family: sans-serif; margin: 2rem auto; max-width: 50rem; }
#operation { border: 0 solid #888; padding: 1rem; }
#answer { overflow: auto; }
`;

const FILES: Readonly<Record<string, readonly [contentType: string, body: string]>> = {
  '/html/vovrest.html': ['text/html', PAGE],
  '/html/vovrest.js': ['application/javascript', SCRIPT],
  '/html/vovrest.css': ['text/css', STYLE],
};

/** The page of the API documentation, its script and its style. Null when there is no such file. */
export function answerVendorPage(path: string): Reply | null {
  const file = Object.hasOwn(FILES, path) ? FILES[path] : undefined;
  return file === undefined ? null : { status: 200, contentType: file[0], body: file[1] };
}
