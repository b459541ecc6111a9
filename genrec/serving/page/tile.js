// What stands where an item has no picture: a drawing by what it is, on a colour of its own.

import { drawn } from "./dom.js";

// The words that tell a kind, its drawing and the hue of its ground. The first that fits counts.
const KINDS = [
  [/pizza/, 14, ["M3.500 6.500C9 3.500 15 3.500 20.500 6.500L12 21z", "M5.200 9.300c4.600-2.300 9-2.300 13.600 0", "M10 12v.1M14 11.500v.1M12 16v.1"]],
  [/ice cream|sherb|frozen yog|novelt/, 330, ["M8 11a4 4 0 1 1 8 0", "M7 11h10l-5 10z", "M9.500 11l3.800 7.500M14.500 11l-3.800 7.500"]],
  [/soup|stew|broth|chili/, 24, ["M4 11h16a8 8 0 0 1-16 0z", "M9 20h6", "M9.500 7.500c-1-1.500 1-2 0-3.500M14 7.500c-1-1.500 1-2 0-3.500"]],
  [/yog|milk|cream|dairy|butter|margarin/, 205, ["M9 3h6v3l2 3.500V20a1 1 0 0 1-1 1H8a1 1 0 0 1-1-1V9.500L9 6z", "M9 6h6", "M7 13.500c2.500-1.500 7.500 1.500 10 0"]],
  [/cheese/, 44, ["M3.500 14.500L15 6a5.500 5.500 0 0 1 5.500 5.500v7h-17z", "M3.500 14.500h17", "M9 17v.1M14.500 16.800v.1M15 11.500v.1"]],
  [/\beggs?\b/, 40, ["M12 3.500c3.500 0 6.500 5.300 6.500 9.700a6.500 6.500 0 0 1-13 0C5.500 8.800 8.500 3.500 12 3.500z", "M8.500 13a3.500 3.500 0 0 0 2.500 3.500"]],
  [/bread|bun|roll|bagel|bakery|toast|muffin|tortilla|dough/, 32, ["M5 10.500a3.500 3.500 0 0 1 2-6.500h10a3.500 3.500 0 0 1 2 6.500V19a1 1 0 0 1-1 1H6a1 1 0 0 1-1-1z", "M9.500 8.500v3M13 8.500v3"]],
  [/cake|pastry|pie\b|sweet goods|cookie|dessert|donut|brownie/, 345, ["M4 19.500v-5.500c0-1.700 1.300-3 3-3h10c1.700 0 3 1.300 3 3v5.500z", "M4 15c2 1.700 3.300 1.700 5.300 0s3.400-1.700 5.400 0 3.300 1.700 5.300 0", "M12 11V7.500M12 5v.1"]],
  [/candy|chocolate|gum\b|mint/, 320, ["M8 12a4 4 0 1 0 8 0 4 4 0 0 0-8 0z", "M8.600 10L4 7.500v9L8.600 14M15.400 10L20 7.500v9L15.400 14", "M10.500 10.500l3 3"]],
  [/chip|snack|pretzel|popcorn|nut\b|nuts|cracker/, 28, ["M7 4h10l1 3-1 13H7L6 7z", "M6 7h12", "M9.500 12.500c1.700-1.700 3.300-1.700 5 0-1.700 1.700-3.300 1.700-5 0z"]],
  [/cereal|breakfast|oat|granola|bar\b|bars/, 36, ["M4 12h16a8 8 0 0 1-5 7.400V21H9v-1.600A8 8 0 0 1 4 12z", "M8 9v.1M12 7.500v.1M16 9v.1M10 4.500v.1M14.300 5v.1"]],
  [/coffee|tea\b|teas|cocoa/, 22, ["M5 9h11v6a5 5 0 0 1-5 5h-1a5 5 0 0 1-5-5z", "M16 10.500h1.500a2.500 2.500 0 0 1 0 5H16", "M8.500 6.500c-.8-1.300.8-1.700 0-3M12.500 6.500c-.8-1.300.8-1.700 0-3"]],
  [/beer|wine|liquor|\bale\b/, 48, ["M7 8h9v11a1.500 1.500 0 0 1-1.500 1.500h-6A1.500 1.500 0 0 1 7 19z", "M16 10.500h2a1.500 1.500 0 0 1 1.500 1.500v3.500A1.500 1.500 0 0 1 18 17h-2", "M6.500 8a2.500 2.500 0 0 1 2.700-3.700 3 3 0 0 1 5.300.500A2 2 0 0 1 16 8z", "M10 11.500v5.500M13 11.500v5.500"]],
  [/soft drink|soda|juice|water|drink|beverage|lemonade|isotonic/, 190, ["M7 8.500h10L15.800 20a1 1 0 0 1-1 1H9.200a1 1 0 0 1-1-1z", "M6 8.500h12", "M12 8.500l1.500-5.500H16", "M7.500 13h9"]],
  [/fish|seafood|shrimp|tuna|salmon/, 200, ["M3.500 12c3-4.500 9-5.500 13 0-4 5.500-10 4.500-13 0z", "M16.500 12L21 8.500v7z", "M7.500 11v.1"]],
  [/beef|pork|meat|chicken|turkey|bacon|sausage|\bham\b|lamb|dinner|entree|frankfurter|hot dog|lunch/, 6, ["M14.500 4a5.500 5.500 0 0 1 3.800 9.400c-2.500 2.500-6 2-8.300 4.300", "M14.500 4c-3.300 0-5.200 2.600-5.200 5.500 0 2.200-1 3.300-2.300 4.700", "M7 14.200L10 17.700 7.300 20.300a1.800 1.800 0 1 1-2.400-2.600z"]],
  [/fruit|apple|banana|berr|orange|citrus|grape|melon|peach|pear/, 350, ["M12 8c-2-2-7.500-1.500-7.500 4.500 0 4.500 3 8 5 8 1 0 1.500-.5 2.500-.5s1.500.5 2.500.5c2 0 5-3.500 5-8C19.500 6.500 14 6 12 8z", "M12 8c0-2 .7-3.700 2.500-4.500"]],
  [/vegetable|salad|lettuce|tomato|potato|onion|pepper|carrot|produce|bean|corn|mushroom/, 115, ["M13 10.500C11 8.500 8 9 7 11.500L3.500 20.500l9-3.500c2.500-1 3-4 .5-6.500z", "M13.500 10.500c0-3 1.500-5.500 4-7M13.500 10.500c3 0 5.500-1.500 7-4", "M8 13l2 2M6.500 16.500l1.500 1.500"]],
  [/pasta|noodle|\brice\b|macaroni|spaghetti|grain/, 40, ["M4 12h16a8 8 0 0 1-16 0z", "M9 20h6", "M7 12c0-4 2-4 2-8M11 12c0-4 2-4 2-8M15 12c0-4 2-4 2-8"]],
  [/sauce|dressing|condiment|ketchup|mustard|mayo|spread|jelly|syrup|\boils?\b|vinegar|spice|season/, 18, ["M10 3h4v3.500l2 3V20a1 1 0 0 1-1 1H9a1 1 0 0 1-1-1V9.500l2-3z", "M8 12.500h8v4H8z"]],
  [/baby|infant|diaper/, 210, ["M9 8h6l1 3v8.500a1.500 1.500 0 0 1-1.500 1.500h-5A1.500 1.500 0 0 1 8 19.500V11z", "M10 8c0-1.500.7-1.800.7-3a1.300 1.300 0 0 1 2.600 0c0 1.200.7 1.500.7 3", "M8 14h4M8 17h4"]],
  [/\bpets?\b|\bdogs?\b|\bcats?\b/, 30, ["M12 13c-3 0-5 2.600-5 4.800 0 1.700 1.300 2.200 2.500 2.200 1 0 1.500-.4 2.500-.4s1.500.4 2.500.4c1.200 0 2.500-.5 2.500-2.200 0-2.200-2-4.800-5-4.800z", "M6 11.500v.1M9.500 7.500v.1M14.500 7.500v.1M18 11.500v.1"]],
  [/soap|deterg|clean|laundry|bleach|paper|tissue|towel|bath|shampoo|hair|skin|cosmetic|beauty|lotion|tooth/, 265, ["M9 10h6a2 2 0 0 1 2 2v8a1 1 0 0 1-1 1H8a1 1 0 0 1-1-1v-8a2 2 0 0 1 2-2z", "M10.500 10V7h3v3M12 7V4h4.500", "M10 15h4"]],
  [/shirt|fashion|dress|jacket|trouser|jean|skirt|cloth|wear|sweater|coat/, 225, ["M9 4L4 6.500 5.500 11 8 10v10h8V10l2.500 1L20 6.500 15 4c-.5 1.500-1.500 2.300-3 2.300S9.500 5.500 9 4z"]],
  [/shoe|boot|sneaker|sandal/, 20, ["M4 9v9h16.500v-2c0-2-1.500-2.700-3.500-3.200-2.500-.6-4-2.300-5-4.800L9.500 9c-2 .7-4 .7-5.500 0z", "M4 15.500h16"]],
  [/cushion|pillow|sofa|furnitur|living/, 12, ["M5 6c4 1.500 10 1.500 14 0-1.200 4-1.200 8 0 12-4-1.500-10-1.500-14 0 1.200-4 1.200-8 0-12z", "M9 11c2 .8 4 .8 6 0"]],
  [/vase/, 185, ["M9 3.500h6", "M9.500 3.500c0 3-3.500 5-3.500 9.500 0 3.500 1.500 6 3.500 7.500h5c2-1.500 3.500-4 3.500-7.500 0-4.500-3.500-6.500-3.500-9.500", "M6.500 11h11"]],
  [/lamp|light|candle/, 50, ["M8.500 4h7l3 8h-13z", "M12 12v7M8.500 20h7"]],
  [/mug|cup|bowl|plate|kitchen|pot\b/, 170, ["M5 8h11v7a4 4 0 0 1-4 4H9a4 4 0 0 1-4-4z", "M16 10h1.500a2.500 2.500 0 0 1 0 5H16"]],
  [/\bbags?\b|purse|backpack|wallet/, 260, ["M5 9h14l1 11.500H4z", "M8.500 11.500v-4a3.500 3.500 0 0 1 7 0v4"]],
  [/toy|game|puzzle/, 280, ["M5 8h4.500a2 2 0 1 1 4 0H18v4.500a2 2 0 1 1 0 4V20H5z"]],
  [/book|magazine|film|movie|music|video/, 240, ["M5 5.500c2.500-1 5-.7 7 1 2-1.700 4.500-2 7-1v13c-2.500-1-5-.7-7 1-2-1.700-4.500-2-7-1z", "M12 6.500v13"]],
  [/flower|floral|plant|garden/, 130, ["M12 12a3 3 0 1 0 0-6 3 3 0 0 0 0 6z", "M12 6V3M9.500 10.500L7 12M14.500 10.500L17 12M9.500 7.500L7 6M14.500 7.500L17 6", "M12 12v9M12 18c2.500 0 4-1 5-3"]],
  [/drug|vitamin|medic|nutrition|health/, 160, ["M8 8h8v11a2 2 0 0 1-2 2h-4a2 2 0 0 1-2-2z", "M7 4h10v4H7z", "M12 12v5M9.500 14.500h5"]],
];
const BOX = ["M4 8l8-4 8 4v8l-8 4-8-4z", "M4 8l8 4 8-4M12 12v8", "M8 6l8 4"];

/** A number from 0 to 359 that is always the same for a text. */
function hueOf(text) {
  let sum = 7;
  for (const sign of text) sum = (sum * 31 + sign.codePointAt(0)) % 360;
  return sum;
}

/** The drawing of an item, on its own ground. */
export function tile(title, facts) {
  const words = `${title} ${facts.join(" ")}`.toLowerCase();
  const found = KINDS.find(([fits]) => fits.test(title.toLowerCase())) || KINDS.find(([fits]) => fits.test(words));
  const [, hue, paths] = found || [null, hueOf(words), BOX];
  const place = document.createElement("div");
  place.className = "tile";
  // A little to either side, so that four of a kind are not four times the same.
  place.style.setProperty("--hue", String((hue + (hueOf(title) % 25) - 12 + 360) % 360));
  place.style.setProperty("--turn", `${(hueOf(title) % 17) - 8}deg`);
  place.append(drawn(paths, "drawing"));
  return place;
}
