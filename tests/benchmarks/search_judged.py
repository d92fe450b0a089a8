"""Documents and judged queries for search: what each query should find, in seven languages.

Made for this project; nothing of it is about real persons. A document is a sentence around one
form; a query of a group is judged to want every document of its group. Names are one group over
all scripts that spell them; other words are a group for each language.
"""

SENTENCES = (
    "The report of the patrol names {} and nothing else of weight.",
    "Звіт патруля згадує {} двічі.",
    "В отчёте патруля упомянут {} один раз.",
    "Le rapport de la patrouille mentionne {} une seule fois.",
    "ذكر تقرير الدورية {} مرتين",
)

# (forms that stand in documents, queries that should find all of them)
GROUPS: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...] = (
    (
        ("Маріуполі", "Мариуполе", "Mariupol"),
        ("Маріуполь", "Мариуполь", "Mariupol", "Маріуполя", "Маріуполем", "МАРІУПОЛЬ"),
    ),
    (
        ("Мар’яна Шевченко", "Мар'яни Шевченко", "Mariana Shevchenko"),
        (
            "Мар'яна Шевченко",
            "Марʼяна Шевченко",
            "Mariana Shevchenko",
            "Maryana Shevchenko",
            "мар`яна",
            "Шевченко",
        ),
    ),
    (
        ("محمد الخطيب", "Mohammed Khatib", "Мухаммед Хатиб"),
        ("محمد", "Muhammad", "Mohamed", "Mohammad", "مُحَمَّد", "Мохаммед"),
    ),
    (("خالد قاسم", "Khaled Qasim"), ("خالد", "Khalid", "Khaled Kassem", "قاسم", "Qassem", "Халед")),
    (("حسين", "Hussein", "Хуссейн"), ("حسين", "Hussein", "Hussain", "Husein", "Хусейн", "حُسَيْن")),
    (("فاطمة", "Fatima", "Фатіма"), ("فاطمة", "فاطمه", "Fatima", "Fatma", "Фатима", "Fatimah")),
    (
        ("Зеленчук", "Zelenchuk"),
        ("Зеленчук", "Zelenchuk", "Zelentchouk", "зеленчука", "ЗЕЛЕНЧУК", "Zelenczuk"),
    ),
    (
        ("Ґалаґан", "Галаган", "Galagan"),
        ("Галаган", "Ґалаґан", "Galagan", "Halahan", "галаґан", "Галагана"),
    ),
    (
        ("Ющенко", "Yushchenko"),
        ("Ющенко", "Yushchenko", "Juschtschenko", "Iouchtchenko", "ющенко", "Ющенком"),
    ),
    (
        ("Артём Кузнецов", "Artem Kuznetsov"),
        ("Артем", "Артём", "Кузнецов", "Kuznetsov", "Кузнецова", "Artyom Kuznetsov"),
    ),
    (("школі", "школа", "школи"), ("школа", "школу", "школи", "школі", "школою")),
    (("міст", "мосту", "мості"), ("міст", "мосту OR міст OR мості", "міст OR мостом")),
    (("лікарні", "лікарня"), ("лікарня", "лікарню", "лікарні", "лікарнею", "ЛІКАРНЯ")),
    (("об'єкт", "об’єкта"), ("об'єкт", "обʼєкт", "об’єкту", "обєкт", "Об`єкт")),
    (("больнице", "больница"), ("больница", "больницу", "больницы", "больницей", "БОЛЬНИЦА")),
    (
        ("свидетель", "свидетеля"),
        ("свидетель", "свидетеля", "свидетелю", "свидетелем", "Свидетель"),
    ),
    (("обстрел", "обстрела"), ("обстрел", "обстрелы", "обстрела", "обстрелом", "ОБСТРЕЛ")),
    (("самолёт", "самолета"), ("самолет", "самолёт", "самолёты", "самолетом", "САМОЛЁТ")),
    (("المدرسة", "مدرسة", "والمدرسة"), ("مدرسة", "المدرسة", "مدرسه", "المدرسه", "الـمـدرسـة")),
    (("المستشفى", "مستشفى"), ("مستشفى", "المستشفى", "مستشفي", "المستشفي", "مُسْتَشْفَى")),
    (("أحمد إبراهيم", "احمد ابراهيم"), ("أحمد", "احمد", "إبراهيم", "ابراهيم", '"احمد ابراهيم"')),
    (("سنة ٢٠١٣", "سنة 2013", "سال ۲۰۱۳"), ("2013", "٢٠١٣", "۲۰۱۳")),
    (("مسؤول", "مسئول"), ("مسؤول", "مسئول", "مَسْؤُول")),
    (("الشاهد", "شاهد"), ("شاهد", "الشاهد", "والشاهد", "بالشاهد", "شَاهِد")),
    (("bridges", "bridge"), ("bridge", "bridges", "BRIDGE", "Bridges", "bridge OR bridges")),
    (("burned", "burning", "burns"), ("burn", "burned", "burning", "BURNS", "burns")),
    (
        ("witness statement",),
        (
            '"witness statement"',
            "witness statement",
            "statement witness",
            "statements",
            "Witness AND statement",
        ),
    ),
    (("O'Brien", "O’Brien"), ("O'Brien", "obrien", "O’Brien", "brien", "O`Brien")),
    (("église", "églises"), ("église", "eglise", "églises", "ÉGLISE", "Eglises")),
    (
        ("l'hôpital", "hôpital"),
        ("hôpital", "hopital", "l'hôpital OR hôpital", "HÔPITAL", "L’HÔPITAL OR hopital"),
    ),
    (("détruite", "détruites"), ("détruite", "detruite", "détruites", "DÉTRUITE", "detruites")),
    (("Étienne", "Etienne"), ("Étienne", "Etienne", "étienne", "ETIENNE", "E\u0301tienne")),
    (("cœur", "œuvre du cœur"), ("cœur", "CŒUR", "Cœur")),
    (
        ("证据链很长", "他的证据"),
        ("证据", "據 OR 证据", "证 据", "的证据 OR 证据链", "证据 NOT zebra"),
    ),
    (("王先生在北京", "北京的王女士"), ("北京", "王", "王 北京", "北京 AND 王", "北京 NOT 上海")),
    (("医院被炸毁", "这家医院"), ("医院", "医 院", "医院 OR 學校", "医院 NOT 机场", "院")),
    (("မြန်မာနိုင်ငံတွင်", "မြန်မာ"), ("မြန်မာ", "မြန် မာ", "မာ", "မြန်မာ NOT zebra", '"မြန်မာ"')),
    (("ရန်ကုန်မြို့တွင်", "ရန်ကုန်"), ("ရန်ကုန်", "ရန် ကုန်", "ကုန်", '"ရန်ကုန်"', "ရန်ကုန် OR zebra")),
    (("ဆေးရုံကို", "ဆေးရုံ"), ("ဆေးရုံ", "ဆေး ရုံ", "ရုံ", '"ဆေးရုံ"', "ဆေးရုံ NOT zebra")),
    (("ကျောင်းကို မီးရှို့ခဲ့သည်", "ကျောင်း"), ("ကျောင်း", '"ကျောင်း"', "ကျောင်း OR zebra", "ကျောင်း NOT zebra")),
    (("Хepсон", "Херсон", "Херсоні"), ("Херсон", "Хepcoн", "ХЕРСОН", "Херсоні", "Херсона")),
)
