// What axe finds on a page, as words.
import AxeBuilder from '@axe-core/playwright';

/** All of it; or of some tags only, like `cat.color`. */
export async function unfair(page, tags) {
  const axe = new AxeBuilder({ page });
  const { violations } = await (tags ? axe.withTags(tags) : axe).analyze();
  return violations.flatMap(({ id, help, nodes }) => nodes.map(({ target, failureSummary }) => `${id} (${help}) at ${target}: ${failureSummary}`));
}
