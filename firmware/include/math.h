/* The part of C's math.h that the compiler's support library has, for double. gcc's support library has none of it. */
#ifndef HAKONE_MATH_H
#define HAKONE_MATH_H

double fabs(double x);
double floor(double x);
double ceil(double x);
double trunc(double x);
double round(double x);
double fmod(double x, double y);
double sqrt(double x);
double exp(double x);
double log(double x);
double log10(double x);
double sin(double x);
double cos(double x);
double tan(double x);

/* The part behind the point, and in *whole the other. */
static inline double modf(double x, double *whole)
{
    *whole = trunc(x);
    return x - *whole;
}

#endif
