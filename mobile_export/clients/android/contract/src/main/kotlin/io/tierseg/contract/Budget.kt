package io.tierseg.contract

import java.util.Locale

/**
 * The best tier whose inference fits a time budget.
 *
 * The best is the one of highest quality as [qualities] tells it; of equal ones the faster.
 *
 * @param budgetMs longest inference time, milliseconds.
 * @param tiers the tiers to choose among, lightest first.
 * @param latenciesMs time of each tier's inference by its name, milliseconds.
 * @throws TiersegException no tier fits, and the message names the nearest; or a tier has no time.
 */
fun bestWithin(budgetMs: Double, tiers: List<Tier>, latenciesMs: Map<String, Double>): Tier {
    val missing = tiers.filter { it.name !in latenciesMs }.joinToString { it.name }
    if (missing.isNotEmpty()) {
        throw TiersegException("`latenciesMs` must hold a time of every tier; got none of $missing")
    }
    val quality = qualities(tiers)
    val fitting = tiers.filter { latenciesMs.getValue(it.name) <= budgetMs }
    return fitting.maxWithOrNull(
        compareBy<Tier> { quality.getValue(it.name) }
            .thenByDescending { latenciesMs.getValue(it.name) },
    ) ?: throw tooTight(budgetMs, tiers.minByOrNull { latenciesMs.getValue(it.name) }, latenciesMs)
}

/**
 * A number per tier that is higher for a better mask: mean IoU, else Dice, where the bundle gives
 * it for every tier; else the place in the list.
 *
 * @param tiers the tiers, lightest first.
 */
fun qualities(tiers: List<Tier>): Map<String, Double> {
    for (figure in listOf(Tier::miou, Tier::dice)) {
        val known = tiers.associate { it.name to figure(it) }
        if (null !in known.values) return known.mapValues { checkNotNull(it.value) }
    }
    return tiers.withIndex().associate { (place, tier) -> tier.name to place.toDouble() }
}

private fun tooTight(
    budgetMs: Double,
    nearest: Tier?,
    latenciesMs: Map<String, Double>,
): TiersegException {
    if (nearest == null) return TiersegException("`tiers` must hold one tier or more; got none")
    val needed = "%.2f".format(Locale.ROOT, latenciesMs.getValue(nearest.name))
    return TiersegException(
        "`budgetMs` must be at least $needed, what the fastest tier (${nearest.name}) takes on " +
            "this device; got $budgetMs",
    )
}
