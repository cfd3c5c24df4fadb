/** The gateway’s sign: a gate between two posts. */
export const ICON_SVG = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32" width="28" height="28">
<rect width="32" height="32" rx="7" fill="#1d5bb8"/>
<path d="M8 24V8m16 16V8M8 12h16" fill="none" stroke="#fff" stroke-width="2.6" stroke-linecap="round"/>
<path d="M12 19h7m-3-3 3.2 3L16 22" fill="none" stroke="#fff" stroke-width="2.2" stroke-linecap="round" stroke-linejoin="round"/>
</svg>
`;
