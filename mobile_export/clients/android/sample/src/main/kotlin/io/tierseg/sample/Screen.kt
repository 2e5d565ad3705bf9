package io.tierseg.sample

import android.content.Context
import android.graphics.Bitmap
import android.graphics.drawable.BitmapDrawable
import android.view.View
import android.view.ViewGroup.LayoutParams.MATCH_PARENT
import android.view.ViewGroup.LayoutParams.WRAP_CONTENT
import android.widget.Button
import android.widget.FrameLayout
import android.widget.HorizontalScrollView
import android.widget.ImageView
import android.widget.LinearLayout
import android.widget.SeekBar
import android.widget.TextView
import com.google.android.material.chip.Chip
import com.google.android.material.chip.ChipGroup
import com.google.android.material.materialswitch.MaterialSwitch
import io.tierseg.Segmentation
import io.tierseg.contract.Bundle

/**
 * What the activity shows: the image under its mask, the tiers as chips, *adaptive*, frames a
 * second to hold, and what the last frame took.
 *
 * @param context the activity.
 * @param bundle its tiers become chips.
 * @param onMode is told what shall choose the tiers from now on.
 */
internal class Screen(
    private val context: Context,
    private val bundle: Bundle,
    private val onMode: (Mode) -> Unit,
) {

    /** Takes a photograph out of the gallery when tapped. */
    val photo = Button(context).apply { text = "Photo" }

    /** Starts the camera when tapped. */
    val camera = Button(context).apply { text = "Camera" }

    /** All of it. */
    val root: View

    private val image = ImageView(context).apply { scaleType = ImageView.ScaleType.FIT_CENTER }
    private val mask = ImageView(context).apply { scaleType = ImageView.ScaleType.FIT_CENTER }
    private val line = TextView(context)
    private val adaptive = MaterialSwitch(context)
    private val rate = SeekBar(context).apply { max = MAX_RATE }
    private val rateText = TextView(context)
    private val chips = ChipGroup(context)
    private var tier = bundle.defaultTier
    private var told: Mode? = null

    init {
        chips.isSingleSelection = true
        chips.isSelectionRequired = true
        for (each in bundle.tiers) {
            val chip = Chip(context)
            chip.id = View.generateViewId()
            chip.text = each.name
            chip.isCheckable = true
            chips.addView(chip)
            if (each == tier) chips.check(chip.id)
            chip.setOnClickListener {
                tier = each
                adaptive.isChecked = false
                rate.progress = 0
                tellMode()
            }
        }
        adaptive.text = "Adaptive"
        adaptive.isEnabled = bundle.chains.isNotEmpty()
        adaptive.setOnCheckedChangeListener { _, _ -> tellMode() }
        rate.setOnSeekBarChangeListener(RateListener { tellMode() })
        root = layout()
        tellMode()
    }

    /** Shows a frame, its mask and what it took. */
    fun show(frame: Bitmap, result: Segmentation) {
        val prediction = result.prediction
        image.setImageBitmap(frame)
        val painted = BitmapDrawable(context.resources, scaled(result.maskBitmap(OPACITY), frame))
        painted.isFilterBitmap = false
        mask.setImageDrawable(painted)
        line.text = "%s · %.1f ms, %.1f ms in all · sure of %.0f %%".format(
            prediction.tier.name,
            prediction.latencyMs,
            result.totalMs,
            PERCENT * prediction.confidence,
        )
    }

    /** Shows a message in place of what the last frame took. */
    fun say(message: String) {
        line.text = message
    }

    private fun tellMode() {
        val held = rate.progress
        rateText.text = if (held == 0) "hold no rate" else "hold $held frames/s"
        val configuration = tier.configuration
        val mode = when {
            adaptive.isChecked && configuration in bundle.chains -> Mode.Adaptive(configuration)
            held > 0 -> Mode.Hold(held)
            else -> Mode.Fixed(tier.name)
        }
        if (mode != told) onMode(mode)
        told = mode
    }

    private fun layout(): View {
        val tiers = HorizontalScrollView(context).apply { addView(chips) }
        val buttons = row(photo, camera, adaptive)
        val column = LinearLayout(context)
        column.orientation = LinearLayout.VERTICAL
        column.fitsSystemWindows = true
        val pictures = FrameLayout(context)
        pictures.addView(image, FrameLayout.LayoutParams(MATCH_PARENT, MATCH_PARENT))
        pictures.addView(mask, FrameLayout.LayoutParams(MATCH_PARENT, MATCH_PARENT))
        column.addView(pictures, LinearLayout.LayoutParams(MATCH_PARENT, 0, 1f))
        for (part in listOf(line, tiers, rateText, rate, buttons)) {
            column.addView(part, LinearLayout.LayoutParams(MATCH_PARENT, WRAP_CONTENT))
        }
        return column
    }

    private fun row(vararg views: View): View {
        val row = LinearLayout(context)
        for (view in views) row.addView(view, LinearLayout.LayoutParams(0, WRAP_CONTENT, 1f))
        return row
    }

    /** A mask at the aspect of its frame, each pixel kept. */
    private fun scaled(mask: Bitmap, frame: Bitmap): Bitmap =
        Bitmap.createScaledBitmap(mask, frame.width, frame.height, false)

    private companion object {
        const val MAX_RATE = 60
        const val OPACITY = 150
        const val PERCENT = 100
    }
}
