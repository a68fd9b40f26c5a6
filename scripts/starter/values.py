"""What the slots of the templates are filled with: the invented shop's wares, places, payments, names."""

from __future__ import annotations

import random
from typing import Final

PRODUCTS: Final = (
    "wireless headphones|running shoes|rain jacket|coffee maker|desk lamp|yoga mat|backpack|winter coat|water bottle|"
    "phone case|electric kettle|office chair|bluetooth speaker|leather wallet|sun hat|camping tent|sleeping bag|"
    "toaster|blender|bath towels|wool sweater|hiking boots|smart watch|keyboard|laptop stand|board game|"
    "picture frame|cotton sheets|frying pan|kitchen knife|bike helmet|travel mug|umbrella|scarf|jeans|summer dress|"
    "sneakers|denim jacket|table lamp|floor rug|curtains|bookshelf|garden hose|tool set|tennis racket|swimsuit|"
    "sunglasses|toy train|puzzle|notebook|fountain pen|air fryer|rice cooker|vacuum cleaner|heater|fan|pillow|"
    "blanket|mirror|clock|gloves|belt|socks|t-shirt|hoodie|skirt|blouse|raincoat|boots|sandals|slippers|suitcase|"
    "handbag|purse|watch|ring|necklace|earrings|teapot|mug|plates|glasses|cutting board|saucepan|wok|grill|"
    "microwave|mixer|juicer|iron|hair dryer|razor|toothbrush|soap|candle|vase|plant pot|armchair|sofa|stool|desk|"
    "wardrobe|mattress|duvet|lamp|light bulb|drill|hammer|ladder|bike|bike lock|skateboard|football|dumbbells|"
    "jump rope|headlamp|cooler|thermos|camera|tripod|printer|mouse|monitor|charger|power bank|tablet|doll|teddy bear|"
    "lego set|crayons|cookbook|calendar|guitar|ukulele|drum"
).split("|")
COUNTRIES: Final = (
    "Canada|France|Germany|Spain|Italy|Japan|Brazil|Mexico|Norway|Sweden|Poland|Portugal|Ireland|Greece|India|"
    "Australia|New Zealand|Switzerland|Austria|Denmark|Finland|Chile|Kenya|Egypt|Turkey|South Korea|Singapore|"
    "Iceland|Belgium|Hungary|Argentina|Colombia|Morocco|Croatia|Romania|Bulgaria|Thailand|Vietnam|Malta|Cyprus|"
    "Estonia|Latvia|Luxembourg|the Netherlands|South Africa|Slovenia|Uruguay|Malaysia|Indonesia"
).split("|")
CITIES: Final = (
    "Paris|Berlin|Madrid|Rome|Tokyo|Toronto|Sydney|Oslo|Lisbon|Dublin|Athens|Vienna|Prague|Boston|Chicago|Denver|"
    "Seattle|Miami|Austin|London|Leeds|Cairo|Lima|Delhi|Seoul|Zurich|Warsaw|Munich|Nairobi|Bangkok"
).split("|")
FOODS: Final = (
    "pasta|pancakes|chicken soup|rice|a cake|pizza|curry|an omelette|sushi|tacos|a salad|cookies|lasagna|risotto|"
    "muffins|a steak|beans|dumplings|an apple pie|noodles"
).split("|")
THINGS: Final = (
    "the sea|autumn|cats|a dragon|love|the moon|my dog|winter|robots|mountains|a river|stars|trees|friendship|"
    "a lost king|space|music|football|summer|snow|birds|the ocean|a knight|my garden|silence|freedom"
).split("|")
CARDS: Final = "Visa|Mastercard|PayPal|Apple Pay|Google Pay|American Express|debit card".split("|")
ACCEPTED: Final = (
    "Visa|Mastercard|PayPal|Apple Pay|Google Pay|bank transfer|American Express|Klarna|a debit card".split("|")
)
REFUSED: Final = "cash on delivery|cash|bitcoin|a cheque|Western Union".split("|")
DAYS: Final = "Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday".split("|")
COLORS: Final = "black|blue|red|green|white|grey|brown|yellow|pink|navy|orange|purple|beige|silver".split("|")
SIZES: Final = (
    "small|medium|large|extra large|size 36|size 38|size 40|size 42|size 44|size 46|size S|size M|size L|size XL"
).split("|")
NAMES: Final = (
    "Anna|Ben|Carla|David|Emma|Felix|Grace|Hugo|Ines|Jack|Kira|Liam|Maya|Noah|Olga|Paul|Rosa|Sam|Tina|Victor|Wendy|"
    "Yusuf|Zoe|Mia|Leo|Nina|Omar|Pia"
).split("|")
AMOUNTS: Final = (10, 20, 25, 50, 75, 100, 150, 200)

# use, in words: product, price in US dollars, why
RECOMMENDED: Final[dict[str, tuple[str, int, str]]] = {
    "running|jogging|marathon training|my morning run|a half marathon": (
        "Swift running shoes",
        79,
        "they are light and well cushioned",
    ),
    "hiking|mountain walks|long trails|trekking|walking in the mountains": (
        "Ridge hiking boots",
        119,
        "they are waterproof and give good ankle support",
    ),
    "camping|a camping trip|sleeping outdoors|a weekend in the woods|a festival": (
        "Meadow two-person tent",
        149,
        "it is easy to pitch and weighs only 2 kg",
    ),
    "my home office|working from home|my desk|long days at a desk|the office": (
        "Nord office chair",
        189,
        "it has full back support",
    ),
    "making coffee|a coffee lover|good coffee at home|espresso|my morning coffee": (
        "Brio coffee maker",
        99,
        "it brews a full pot in six minutes",
    ),
    "cooking|my kitchen|a home cook|everyday meals|frying": (
        "Cast frying pan",
        45,
        "it heats evenly and lasts for years",
    ),
    "travelling|a long flight|a trip abroad|business trips|my holiday": (
        "Compass travel backpack",
        89,
        "it fits under most airline seats",
    ),
    "listening to music|music on the train|podcasts|blocking out noise|music": (
        "Echo Blue wireless headphones",
        129,
        "they have noise cancelling and a 30 hour battery",
    ),
    "yoga|stretching|pilates|home workouts|gymnastics": ("Calm yoga mat", 35, "it is thick and does not slip"),
    "a child|my son|my daughter|a six year old|kids|my nephew": (
        "wooden toy train",
        29,
        "it is safe and fun from age three",
    ),
    "rainy days|wet weather|the rain|cycling in the rain|autumn walks": (
        "Harbour rain jacket",
        95,
        "it is fully waterproof and breathable",
    ),
    "sleeping better|better sleep|a good night of sleep|neck pain at night|sleep": (
        "Cloud pillow",
        39,
        "it keeps your neck in a natural position",
    ),
    "a birthday present|a gift for my mother|a gift for my wife|a present for a friend|a gift for my husband|"
    "a gift for my dad": ("leather wallet", 49, "it comes in a gift box"),
    "cold weather|winter|snow|very cold days|the cold": (
        "Polar winter coat",
        159,
        "it is warm down to minus 20 degrees",
    ),
}

Slots = dict[str, str]


def draw(r: random.Random) -> Slots:
    """One value for every slot; `recommended` is the key of `RECOMMENDED` that `use` belongs to."""
    color, color2 = r.sample(COLORS, 2)
    city, city2 = r.sample(CITIES, 2)
    recommended = r.choice(list(RECOMMENDED))
    return {
        "o": "".join(r.choice("0123456789") for _ in range(5)),
        "p": r.choice(PRODUCTS),
        "country": r.choice(COUNTRIES),
        "city": city,
        "city2": city2,
        "food": r.choice(FOODS),
        "thing": r.choice(THINGS),
        "pay": r.choice(ACCEPTED if r.random() < 0.75 else REFUSED),
        "paycard": r.choice(CARDS),
        "day": r.choice(DAYS),
        "color": color,
        "color2": color2,
        "size": r.choice(SIZES),
        "name": r.choice(NAMES),
        "n1": str(r.randint(2, 99)),
        "n2": str(r.randint(2, 99)),
        "year": str(r.randint(1900, 2024)),
        "amount": str(r.choice(AMOUNTS)),
        "use": r.choice(recommended.split("|")),
        "recommended": recommended,
    }
