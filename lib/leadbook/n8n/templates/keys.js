// The address as the pipeline writes it: it is part of the key. One that is no profile's is "unknown" in the end.
// UUID of the leads' collection: another one when it is remade. Empty: Redis is not asked, MongoDB answers all.
const COLLECTION = '@collection';

const PROFILE = /^\s*(?:https?:\/\/)?(?:[a-z]{1,6}\.)?linkedin\.com\/(?:mwlite\/|m\/)?in\/([^/?#\s]+)/i;
const URN = /^AC[a-z]AA[A-Za-z0-9_-]{20,60}$/;
function canonical(text) {
  let slug = PROFILE.exec(String(text ?? '').replace(/\p{Cf}/gu, ''))?.[1];
  if (slug === undefined) return '';
  try {
    for (let n = 0; n < 3 && /%[0-9a-f]{2}/i.test(slug); n += 1) slug = decodeURIComponent(slug);
  } catch { return ''; }
  slug = slug.normalize('NFC');
  if (!URN.test(slug)) slug = slug.toLowerCase().normalize('NFC');
  if (/[\s/\\?#%@<>"{}|^`,;:[\]]/.test(slug) || !/[\p{L}\p{N}]/u.test(slug)) return '';
  return 'https://www.linkedin.com/in/' + encodeURIComponent(slug).replace(/%(?:24|26|2B|3D)/g, decodeURIComponent);
}

return $input.all().map((item) => ({ json: {
  linkedin_url: item.json.linkedin_url, canonical: canonical(item.json.linkedin_url), collection: COLLECTION,
} }));
