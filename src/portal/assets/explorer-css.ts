/** Lets the API explorer look like the rest of the portal, with enough contrast in light and dark. */
export const EXPLORER_CSS = `.explorer { padding: .25rem 1rem 1rem; }
.explorer .swagger-ui, .explorer .swagger-ui * { font-family: inherit !important; }
body .explorer .swagger-ui { background: transparent; color: var(--text); }
.explorer .swagger-ui :is(code, pre, textarea, .microlight, .opblock-summary-path),
.explorer .swagger-ui :is(code, pre, .microlight, .opblock-summary-path) * { font-family: var(--mono) !important; }
.explorer .swagger-ui .wrapper { max-width: none; padding: 0; }
.explorer .swagger-ui .opblock-tag { border-color: var(--line); padding-inline: 0; font-size: 1.125rem; }
.explorer .swagger-ui .opblock { box-shadow: none; }
.explorer .swagger-ui .opblock .opblock-section-header { box-shadow: none; }
.explorer .swagger-ui .opblock .opblock-summary-description { text-wrap: balance; }
.explorer .swagger-ui .opblock .opblock-summary-path { flex-shrink: 1; overflow-wrap: anywhere; word-break: normal; }
.explorer .swagger-ui .opblock .opblock-summary-method { border-radius: 6px; color: #fff; text-shadow: none; }
.explorer .swagger-ui .opblock-get .opblock-summary-method { background: #1d5bb8; }
.explorer .swagger-ui .opblock-post .opblock-summary-method { background: #14633a; }
.explorer .swagger-ui .opblock-put .opblock-summary-method { background: #8a4b00; }
.explorer .swagger-ui .opblock-patch .opblock-summary-method { background: #0f5f66; }
.explorer .swagger-ui .opblock-delete .opblock-summary-method { background: #a5221b; }
.explorer .swagger-ui .btn.execute { background: var(--button); border-color: var(--button); color: #fff; }
.explorer .swagger-ui :is(.information-container, .scheme-container, .response-col_links, .col_header.response-col_links) { display: none; }
.explorer .swagger-ui .opblock .try-out .btn.try-out__btn.cancel, .explorer .swagger-ui .btn.cancel { color: var(--bad); border-color: var(--bad); }
.explorer .swagger-ui .download-contents { background: #3b4454; color: #fff; }
.explorer .swagger-ui .headers :is(td, th).header-col, .explorer .swagger-ui .headers .header-col * { color: var(--text); }
.explorer .swagger-ui .btn { min-height: 2.4rem; box-shadow: none; }
.explorer .swagger-ui .parameters .parameter__name.required::after, .explorer .swagger-ui .parameters .parameter__name.required span,
.explorer .swagger-ui .opblock .opblock-section-header .opblock-title.parameter__name::after { color: var(--bad); }
.explorer .swagger-ui :is(.parameter__type, .parameter__in, .prop-type, .prop-format, .response-control-media-type__title,
  .response-control-media-type__accept-message, .parameter__extension, .parameter__deprecated, .opblock-tag small,
  .opblock-tag-section small, .tab li, label, .response-col_links) { color: var(--muted); }
.explorer .swagger-ui .response-control-media-type--accept-controller select { border-color: var(--ok); }
.explorer .swagger-ui .response-control-media-type__accept-message { color: var(--ok); }
.explorer .swagger-ui table, .explorer .swagger-ui tbody { display: table; width: 100%; }
.explorer .swagger-ui tbody { display: table-row-group; }
.explorer .swagger-ui thead { position: static; display: table-header-group; clip-path: none; height: auto; width: auto; }
.explorer .swagger-ui tr { display: table-row; border: 0; padding: 0; }
.explorer .swagger-ui :is(td, th) { display: table-cell; border: 0; white-space: normal; }
.explorer .swagger-ui td::before { content: none; }
@media (prefers-reduced-motion: reduce) {
  .explorer .swagger-ui * { transition: none !important; animation: none !important; }
}
@media (max-width: 44rem) {
  .explorer .swagger-ui table.parameters, .explorer .swagger-ui table.parameters :is(tbody, tr, td) { display: block; width: auto; }
  .explorer .swagger-ui table.parameters thead { display: none; }
  .explorer .swagger-ui .opblock .opblock-summary { flex-wrap: wrap; }
}
`;
