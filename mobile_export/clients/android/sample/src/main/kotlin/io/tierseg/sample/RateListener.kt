package io.tierseg.sample

import android.widget.SeekBar

/** Tells that a seek bar was moved. */
internal class RateListener(private val onMoved: () -> Unit) : SeekBar.OnSeekBarChangeListener {

    override fun onProgressChanged(bar: SeekBar, progress: Int, fromUser: Boolean) = onMoved()

    override fun onStartTrackingTouch(bar: SeekBar) = Unit

    override fun onStopTrackingTouch(bar: SeekBar) = Unit
}
