/// Time as Kubernetes writes it: RFC 3339 in UTC, whole seconds. No time zones, no calendar arithmetic.
///
/// Days and dates: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", civil_from_days and days_from_civil, for days that are not
/// negative. Years begin in March there, so that the leap day comes last; eras have 400 of them.

#include "internal.h"

#include <math.h>
#include <string.h>

const char *weir_timestamp(double ms) {
    // 253402300799 is the last second of the year 9999. NaN is no time, and counts as the first.
    double whole = floor(ms / 1000);
    int64_t seconds = whole >= 253402300799.0 ? 253402300799 : whole > 0 ? (int64_t)whole : 0;
    int64_t days = seconds / 86400;
    int rest = (int)(seconds % 86400);
    int64_t z = days + 719468, era = z / 146097, of_era = z % 146097;
    int64_t year_of_era = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int64_t of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t march = (5 * of_year + 2) / 153;
    int day = (int)(of_year - (153 * march + 2) / 5 + 1);
    int month = (int)(march < 10 ? march + 3 : march - 9);
    int year = (int)(year_of_era + era * 400 + (month <= 2));
    return weir_format("%04d-%02d-%02dT%02d:%02d:%02dZ", year, month, day, rest / 3600, rest / 60 % 60, rest % 60);
}

/// So many digits; false if they are none. Looks at no byte after a zero.
static bool digits(const char *at, int count, int64_t *into) {
    *into = 0;
    for (; count > 0; count--, at++) {
        if (*at < '0' || *at > '9') {
            return false;
        }
        *into = *into * 10 + (*at - '0');
    }
    return true;
}

bool weir_timestamp_read(const char *text, double *into) {
    int64_t year, month, day, hour, minute, second;
    if (!text || strlen(text) != 20 || !digits(text, 4, &year) || !digits(text + 5, 2, &month) || !digits(text + 8, 2, &day) ||
        !digits(text + 11, 2, &hour) || !digits(text + 14, 2, &minute) || !digits(text + 17, 2, &second) || year < 1970) {
        return false;
    }
    int64_t from_march = month <= 2 ? year - 1 : year;
    int64_t era = from_march / 400, of_era = from_march % 400;
    int64_t of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    int64_t days = era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
    double ms = (double)(days * 86400 + hour * 3600 + minute * 60 + second) * 1000;
    // Printing it again refuses wrong separators, an hour 24 and a 31st of February in one comparison.
    if (strcmp(weir_timestamp(ms), text) != 0) {
        return false;
    }
    *into = ms;
    return true;
}
