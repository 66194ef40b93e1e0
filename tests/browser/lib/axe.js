// What axe finds on a page, as words.
import AxeBuilder from '@axe-core/playwright';

/** Rules about colours: the only ones that the dark can break alone. */
export const COLOURS = ['color-contrast', 'link-in-text-block'];
/** So many places of a finding are named. */
const NAMED = 3;

/** All of axe's rules as it comes, WCAG and good practice; or some. */
export async function unfair(page, rules) {
  const axe = new AxeBuilder({ page });
  const { violations } = await (rules ? axe.withRules(rules) : axe).analyze();
  return violations.flatMap(({ id, help, nodes }) => [
    `${id}: ${help} (${nodes.length})`,
    ...nodes.slice(0, NAMED).map(({ target, failureSummary }) => `  ${target}: ${failureSummary.replaceAll(/\s+/g, ' ')}`),
  ]);
}
