const SPECIAL: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&apos;',
  '\t': '&#9;',
  '\n': '&#10;',
  '\r': '&#13;',
};

/** Text for an element or a quoted attribute. */
export const escapeXml = (text: string): string => text.replace(/[&<>"'\t\n\r]/g, (found) => SPECIAL[found] ?? found);
