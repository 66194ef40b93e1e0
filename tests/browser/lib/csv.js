// Reads CSV as RFC 4180 has it: rows of cells. Shares nothing with the writer.

export function rows(text) {
  const found = [[]];
  const cell = /(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r\n|$)/y;
  while (cell.lastIndex < text.length) {
    const at = cell.lastIndex;
    const match = cell.exec(text);
    if (!match) throw new Error(`not CSV at ${at}: ${JSON.stringify(text.slice(at, at + 80))}`);
    const [, quoted, plain, end] = match;
    found.at(-1).push(quoted?.replaceAll('""', '"') ?? plain);
    if (end === '\r\n') found.push([]);
    if (end === '') break;
  }
  if (found.at(-1).length === 0) found.pop();
  return found;
}
