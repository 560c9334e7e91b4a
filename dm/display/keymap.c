/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Keyboard layouts as pictures of the keyboard, one string for each level. Documents: X11's
 * keysymdef.h for the numbers, ISO 9995 and the national standards for the places. Dead keys stand
 * in the tables as the accent by itself.
 */
#include <errno.h>
#include <linux/input-event-codes.h>
#include <stdio.h>
#include <string.h>
#include "dm/base/bytes.h"
#include "dm/base/error.h"
#include "dm/display/keymap.h"

/* The places, in the order of the strings below. */
static const uint8_t places[] = {
    KEY_GRAVE, KEY_1, KEY_2, KEY_3, KEY_4, KEY_5, KEY_6, KEY_7, KEY_8, KEY_9, KEY_0, KEY_MINUS,
    KEY_EQUAL, KEY_Q, KEY_W, KEY_E, KEY_R, KEY_T, KEY_Y, KEY_U, KEY_I, KEY_O, KEY_P,
    KEY_LEFTBRACE, KEY_RIGHTBRACE, KEY_A, KEY_S, KEY_D, KEY_F, KEY_G, KEY_H, KEY_J, KEY_K, KEY_L,
    KEY_SEMICOLON, KEY_APOSTROPHE, KEY_BACKSLASH, KEY_102ND, KEY_Z, KEY_X, KEY_C, KEY_V, KEY_B,
    KEY_N, KEY_M, KEY_COMMA, KEY_DOT, KEY_SLASH, KEY_RO, KEY_YEN,
};

struct keymap {
    const char *name;
    const char *level[4]; /* plain, Shift, AltGr, both; a space: nothing there */
};

#define BLANK13 "             "
#define BLANK12 "            "
#define NORDIC_ALTGR2 "  €        ~" BLANK12

static const struct keymap layouts[] = {
    { "en-us",
      { "`1234567890-=qwertyuiop[]asdfghjkl;'\\ zxcvbnm,./",
        "~!@#$%^&*()_+QWERTYUIOP{}ASDFGHJKL:\"| ZXCVBNM<>?" } },
    { "en-gb",
      { "`1234567890-=qwertyuiop[]asdfghjkl;'#\\zxcvbnm,./",
        "¬!\"£$%^&*()_+QWERTYUIOP{}ASDFGHJKL:@~|ZXCVBNM<>?",
        "¦   €          é   úíó   á" } },
    { "de",
      { "^1234567890ß´qwertzuiopü+asdfghjklöä#<yxcvbnm,.-",
        "°!\"§$%&/()=?`QWERTZUIOPÜ*ASDFGHJKLÖÄ'>YXCVBNM;:_",
        "  ²³   {[]}\\ @ €        ~" BLANK12 "|      µ" } },
    { "de-ch",
      { "§1234567890'^qwertzuiopü¨asdfghjklöä$<yxcvbnm,.-",
        "°+\"*ç%&/()=?`QWERTZUIOPè!ASDFGHJKLéà£>YXCVBNM;:_",
        " ¦@#  ¬|¢  ´~  €       []          {}\\" } },
    { "fr",
      { "²&é\"'(-è_çà)=azertyuiop^$qsdfghjklmù*<wxcvbn,;:!",
        " 1234567890°+AZERTYUIOP¨£QSDFGHJKLM%µ>WXCVBN?./§",
        "  ~#{[|`\\^@]}  €        ¤" } },
    { "fr-ch",
      { "§1234567890'^qwertzuiopè¨asdfghjkléà$<yxcvbnm,.-",
        "°+\"*ç%&/()=?`QWERTZUIOPü!ASDFGHJKLöä£>YXCVBNM;:_",
        " ¦@#  ¬|¢  ´~  €       []          {}\\" } },
    { "fr-be",
      { "²&é\"'(§è!çà)-azertyuiop^$qsdfghjklmùµ<wxcvbn,;:=",
        "³1234567890°_AZERTYUIOP¨*QSDFGHJKLM%£>WXCVBN?./+",
        " |@#  ^  {}    €       []          ´`\\         ~" } },
    { "nl-be",
      { "²&é\"'(§è!çà)-azertyuiop^$qsdfghjklmùµ<wxcvbn,;:=",
        "³1234567890°_AZERTYUIOP¨*QSDFGHJKLM%£>WXCVBN?./+",
        " |@#  ^  {}    €       []          ´`\\         ~" } },
    { "es",
      { "º1234567890'¡qwertyuiop`+asdfghjklñ´ç<zxcvbnm,.-",
        "ª!\"·$%&/()=?¿QWERTYUIOP^*ASDFGHJKLÑ¨Ç>ZXCVBNM;:_",
        "\\|@#~ ¬        €       []          {}" } },
    { "it",
      { "\\1234567890'ìqwertyuiopè+asdfghjklòàù<zxcvbnm,.-",
        "|!\"£$%&/()=?^QWERTYUIOPé*ASDFGHJKLç°§>ZXCVBNM;:_",
        "           `~  €       []         @#",
        BLANK13 "          {}" } },
    { "pt",
      { "\\1234567890'«qwertyuiop+´asdfghjklçº~<zxcvbnm,.-",
        "|!\"#$%&/()=?»QWERTYUIOP*`ASDFGHJKLÇª^>ZXCVBNM;:_",
        "  @£§  {[]}    €       ¨" } },
    { "pt-br",
      { "'1234567890-=qwertyuiop´[asdfghjklç~]\\zxcvbnm,.;/",
        "\"!@#$%¨&*()_+QWERTYUIOP`{ASDFGHJKLÇ^}|ZXCVBNM<>:?",
        " ¹²³£¢¬     §  €        ª           º" } },
    { "ja",
      { " 1234567890-^qwertyuiop@[asdfghjkl;:] zxcvbnm,./\\¥",
        " !\"#$%&'() =~QWERTYUIOP`{ASDFGHJKL+*} ZXCVBNM<>?_|" } },
    { "sv",
      { "§1234567890+´qwertyuiopå¨asdfghjklöä'<zxcvbnm,.-",
        "½!\"#¤%&/()=?`QWERTYUIOPÅ^ASDFGHJKLÖÄ*>ZXCVBNM;:_",
        "  @£$  {[]}\\ " NORDIC_ALTGR2 "|      µ" } },
    { "fi",
      { "§1234567890+´qwertyuiopå¨asdfghjklöä'<zxcvbnm,.-",
        "½!\"#¤%&/()=?`QWERTYUIOPÅ^ASDFGHJKLÖÄ*>ZXCVBNM;:_",
        "  @£$  {[]}\\ " NORDIC_ALTGR2 "|      µ" } },
    { "no",
      { "|1234567890+\\qwertyuiopå¨asdfghjkløæ'<zxcvbnm,.-",
        "§!\"#¤%&/()=?`QWERTYUIOPÅ^ASDFGHJKLØÆ*>ZXCVBNM;:_",
        "  @£$  {[]} ´" NORDIC_ALTGR2 "       µ" } },
    { "da",
      { "½1234567890+´qwertyuiopå¨asdfghjklæø'<zxcvbnm,.-",
        "§!\"#¤%&/()=?`QWERTYUIOPÅ^ASDFGHJKLÆØ*>ZXCVBNM;:_",
        "  @£$  {[]} |" NORDIC_ALTGR2 "\\      µ" } },
    { "ru",
      { "ё1234567890-=йцукенгшщзхъфывапролджэ\\/ячсмитьбю.",
        "Ё!\"№;%:?*()_+ЙЦУКЕНГШЩЗХЪФЫВАПРОЛДЖЭ/|ЯЧСМИТЬБЮ," } },
    { "pl",
      { "`1234567890-=qwertyuiop[]asdfghjkl;'\\ zxcvbnm,./",
        "~!@#$%^&*()_+QWERTYUIOP{}ASDFGHJKL:\"| ZXCVBNM<>?",
        BLANK13 "  ę     ó   ąś      ł    żźć  ń",
        BLANK13 "  Ę     Ó   ĄŚ      Ł    ŻŹĆ  Ń" } },
    { "hu",
      { "0123456789öüóqwertzuiopőúasdfghjkléáűíyxcvbnm,.-",
        "§'\"+!%/=()ÖÜÓQWERTZUIOPŐÚASDFGHJKLÉÁŰÍYXCVBNM?:_",
        " ~ˇ^˘°˛`˙´˝¨¸\\|Ä   €   ÷×äđĐ[]  łŁ$ß¤<>#&@{}   *" } },
    { "tr",
      { "\"1234567890*-qwertyuıopğüasdfghjklşi,<zxcvbnmöç.",
        "é!'^+%&/()=?_QWERTYUIOPĞÜASDFGHJKLŞİ;>ZXCVBNMÖÇ:",
        "  £#$½ {[]}\\|@ €       ¨~æß        ´`" } },
    { "nl",
      { "@1234567890/°qwertyuiop¨*asdfghjkl+´<]zxcvbnm,.-",
        "§!\"#$%&_()'?~QWERTYUIOP^|ASDFGHJKL±`>[ZXCVBNM;:=",
        "¬¹²³¼½¾£{} \\¸  €" } },
};

int keymap_find(const struct keymap **out, const char *name, struct error *err)
{
    char list[256] = "";

    *out = &layouts[0];
    if (!name || !*name)
        return 0;
    for (unsigned i = 0; i < ARRAY_SIZE(layouts); i++) {
        size_t n = strlen(list);

        if (!strcmp(layouts[i].name, name)) {
            *out = &layouts[i];
            return 0;
        }
        snprintf(list + n, sizeof(list) - n, "%s%s", i ? " " : "", layouts[i].name);
    }
    return error_set(err, -EINVAL, "there is no keymap %s; there are: %s", name, list);
}

/* ---- Keysyms ---- */

/* Legacy keysyms of scripts other than Latin-1, to Unicode. */
static uint32_t legacy_unicode(uint32_t sym)
{
    static const struct {
        uint16_t sym, ucs;
    } table[] = {
        { 0x1a1, 0x104 }, { 0x1a3, 0x141 }, { 0x1a6, 0x15a }, { 0x1a9, 0x160 }, { 0x1aa, 0x15e },
        { 0x1ac, 0x179 }, { 0x1ae, 0x17d }, { 0x1af, 0x17b }, { 0x1b1, 0x105 }, { 0x1b2, 0x2db },
        { 0x1b3, 0x142 }, { 0x1b6, 0x15b }, { 0x1b7, 0x2c7 }, { 0x1b9, 0x161 }, { 0x1ba, 0x15f },
        { 0x1bc, 0x17a }, { 0x1bd, 0x2dd }, { 0x1be, 0x17e }, { 0x1bf, 0x17c }, { 0x1c6, 0x106 },
        { 0x1ca, 0x118 }, { 0x1d0, 0x110 }, { 0x1d1, 0x143 }, { 0x1d5, 0x150 }, { 0x1db, 0x170 },
        { 0x1e6, 0x107 }, { 0x1ea, 0x119 }, { 0x1f0, 0x111 }, { 0x1f1, 0x144 }, { 0x1f5, 0x151 },
        { 0x1fb, 0x171 }, { 0x1a2, 0x2d8 }, { 0x1ff, 0x2d9 }, { 0x2a9, 0x130 }, { 0x2ab, 0x11e },
        { 0x2b9, 0x131 }, { 0x2bb, 0x11f }, { 0x6b0, 0x2116 }, { 0x6a3, 0x451 }, { 0x6b3, 0x401 },
        /* dead keys: the accent by itself */
        { 0xfe50, '`' }, { 0xfe51, 0xb4 }, { 0xfe52, '^' }, { 0xfe53, '~' }, { 0xfe55, 0x2d8 },
        { 0xfe56, 0x2d9 }, { 0xfe57, 0xa8 }, { 0xfe58, 0xb0 }, { 0xfe59, 0x2dd },
        { 0xfe5a, 0x2c7 }, { 0xfe5b, 0xb8 }, { 0xfe5c, 0x2db },
    };
    /* the Cyrillic keysyms 0x6c0 to 0x6df in KOI8 order, as offsets from U+0430 */
    static const uint8_t koi[32] = {
        30, 0, 1, 22, 4, 5, 20, 3, 21, 8, 9, 10, 11, 12, 13, 14,
        15, 31, 16, 17, 18, 19, 6, 2, 28, 27, 7, 24, 29, 25, 23, 26,
    };

    if (sym >= 0x6c0 && sym <= 0x6df)
        return 0x430u + koi[sym - 0x6c0];
    if (sym >= 0x6e0 && sym <= 0x6ff)
        return 0x410u + koi[sym - 0x6e0];
    for (unsigned i = 0; i < ARRAY_SIZE(table); i++)
        if (table[i].sym == sym)
            return table[i].ucs;
    return 0;
}

static uint32_t to_unicode(uint32_t sym)
{
    if ((sym >= 0x20 && sym <= 0x7e) || (sym >= 0xa0 && sym <= 0xff) || sym == 0x20ac)
        return sym;
    if (sym >= 0x01000100 && sym <= 0x0110ffff)
        return sym - 0x01000000;
    return legacy_unicode(sym);
}

/* Keys that are what they are in every layout. */
static unsigned plain_key(uint32_t sym)
{
    static const struct {
        uint16_t sym;
        uint8_t key;
    } table[] = {
        { ' ', KEY_SPACE }, { 0xff08, KEY_BACKSPACE }, { 0xff09, KEY_TAB },
        { 0xfe20, KEY_TAB }, { 0xff0d, KEY_ENTER }, { 0xff13, KEY_PAUSE }, { 0xff6b, KEY_PAUSE },
        { 0xff14, KEY_SCROLLLOCK }, { 0xff15, KEY_SYSRQ }, { 0xff61, KEY_SYSRQ },
        { 0xff1b, KEY_ESC }, { 0xff50, KEY_HOME }, { 0xff51, KEY_LEFT }, { 0xff52, KEY_UP },
        { 0xff53, KEY_RIGHT }, { 0xff54, KEY_DOWN }, { 0xff55, KEY_PAGEUP },
        { 0xff56, KEY_PAGEDOWN }, { 0xff57, KEY_END }, { 0xff63, KEY_INSERT },
        { 0xffff, KEY_DELETE }, { 0xff67, KEY_COMPOSE }, { 0xff6a, KEY_HELP },
        { 0xff7f, KEY_NUMLOCK }, { 0xff20, KEY_COMPOSE }, { 0xffe1, KEY_LEFTSHIFT },
        { 0xffe2, KEY_RIGHTSHIFT }, { 0xffe3, KEY_LEFTCTRL }, { 0xffe4, KEY_RIGHTCTRL },
        { 0xffe5, KEY_CAPSLOCK }, { 0xffe7, KEY_LEFTMETA }, { 0xffe8, KEY_RIGHTMETA },
        { 0xffe9, KEY_LEFTALT }, { 0xffea, KEY_RIGHTALT }, { 0xffeb, KEY_LEFTMETA },
        { 0xffec, KEY_RIGHTMETA }, { 0xfe03, KEY_RIGHTALT }, { 0xff7e, KEY_RIGHTALT },
        { 0xff8d, KEY_KPENTER }, { 0xffaa, KEY_KPASTERISK }, { 0xffab, KEY_KPPLUS },
        { 0xffac, KEY_KPCOMMA }, { 0xffad, KEY_KPMINUS }, { 0xffae, KEY_KPDOT },
        { 0xffaf, KEY_KPSLASH }, { 0xffb0, KEY_KP0 }, { 0xffb1, KEY_KP1 }, { 0xffb2, KEY_KP2 },
        { 0xffb3, KEY_KP3 }, { 0xffb4, KEY_KP4 }, { 0xffb5, KEY_KP5 }, { 0xffb6, KEY_KP6 },
        { 0xffb7, KEY_KP7 }, { 0xffb8, KEY_KP8 }, { 0xffb9, KEY_KP9 }, { 0xffbd, KEY_KPEQUAL },
        { 0xff95, KEY_KP7 }, { 0xff96, KEY_KP4 }, { 0xff97, KEY_KP8 }, { 0xff98, KEY_KP6 },
        { 0xff99, KEY_KP2 }, { 0xff9a, KEY_KP9 }, { 0xff9b, KEY_KP3 }, { 0xff9c, KEY_KP1 },
        { 0xff9d, KEY_KP5 }, { 0xff9e, KEY_KP0 }, { 0xff9f, KEY_KPDOT },
        { 0xff22, KEY_MUHENKAN }, { 0xff23, KEY_HENKAN }, { 0xff27, KEY_KATAKANAHIRAGANA },
        { 0xff2a, KEY_GRAVE },
    };

    if (sym >= 0xffbe && sym <= 0xffc7)
        return KEY_F1 + (sym - 0xffbe);
    if (sym == 0xffc8 || sym == 0xffc9)
        return KEY_F11 + (sym - 0xffc8);
    if (sym >= 0xffca && sym <= 0xffd5)
        return KEY_F13 + (sym - 0xffca);
    for (unsigned i = 0; i < ARRAY_SIZE(table); i++)
        if (table[i].sym == sym)
            return table[i].key;
    return 0;
}

/* The next character of UTF-8; the tables are ours, and well formed. */
static uint32_t next_character(const char **p)
{
    const uint8_t *s = (const uint8_t *)*p;

    if (s[0] < 0x80)
        return *p += 1, s[0];
    if (s[0] < 0xe0)
        return *p += 2, (s[0] & 0x1fu) << 6 | (s[1] & 0x3fu);
    return *p += 3, (s[0] & 0x0fu) << 12 | (s[1] & 0x3fu) << 6 | (s[2] & 0x3fu);
}

static bool find_character(const struct keymap *map, uint32_t ucs, struct keymap_hit *hit)
{
    for (unsigned level = 0; level < 4; level++) {
        const char *p = map->level[level];

        for (unsigned i = 0; p && *p && i < ARRAY_SIZE(places); i++)
            if (next_character(&p) == ucs) {
                hit->key = places[i];
                hit->shift = level & 1;
                hit->altgr = level & 2;
                return true;
            }
    }
    return false;
}

static bool is_letter(uint32_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c >= 0xc0 && c <= 0x24f && c != 0xd7 && c != 0xf7) || (c >= 0x400 && c <= 0x4ff);
}

bool keymap_lookup(const struct keymap *map, uint32_t sym, struct keymap_hit *hit)
{
    uint32_t ucs;

    *hit = (struct keymap_hit){ .key = plain_key(sym) };
    if (hit->key)
        return true;
    ucs = to_unicode(sym);
    if (ucs <= ' ')
        return false;
    hit->printable = true;
    hit->letter = is_letter(ucs);
    /* what the layout lacks is typed as on a US keyboard: Latin letters on a Russian one */
    return find_character(map, ucs, hit) || find_character(&layouts[0], ucs, hit);
}
