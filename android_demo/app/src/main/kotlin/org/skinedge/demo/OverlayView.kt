package org.skinedge.demo

import android.content.Context
import android.graphics.Bitmap
import android.graphics.Canvas
import android.graphics.Paint
import android.graphics.RectF
import android.os.SystemClock
import android.util.AttributeSet
import android.view.View
import org.skinedge.core.FrameSize
import org.skinedge.core.centreSquare
import org.skinedge.core.fitInside

private const val ANNOUNCEMENT_MILLIS = 3000L

/**
 * Lies over the preview or a photo: the guide around the square that the model sees, and the
 * attention map.
 */
class OverlayView(context: Context, attributes: AttributeSet?) : View(context, attributes) {
    /** Whether the attention map is drawn. */
    var attentionShown = false
        set(value) {
            field = value
            invalidate()
        }

    private val area = RectF()
    private var photo: FrameSize? = null
    private var mirrored = false
    private var map: Bitmap? = null
    private var announcedAt = 0L

    private val smooth = Paint(Paint.FILTER_BITMAP_FLAG)
    private val outside = context.getColor(R.color.outside_square)
    private val guide = Paint(Paint.ANTI_ALIAS_FLAG).apply {
        style = Paint.Style.STROKE
        strokeWidth = 2 * resources.displayMetrics.density
        color = context.getColor(R.color.on_stage)
    }

    /** Over a camera's preview: the centre square, its map mirrored as the preview is. */
    fun overPreview(mirrored: Boolean) {
        this.mirrored = mirrored
        over(null, R.string.preview_description)
    }

    /** Over a photo of this size, shown whole. */
    fun overPhoto(width: Int, height: Int) {
        mirrored = false
        over(FrameSize(width, height), R.string.photo_description)
    }

    /** Over no picture, or none yet. */
    fun overNothing() {
        visibility = INVISIBLE
    }

    /** Takes a map of `[rows * columns]` straight ARGB colours. */
    fun setMap(colours: IntArray, columns: Int, rows: Int) {
        if (colours.isEmpty()) return
        val bitmap = map?.takeIf { it.width == columns && it.height == rows }
            ?: Bitmap.createBitmap(columns, rows, Bitmap.Config.ARGB_8888)
        bitmap.setPixels(colours, 0, columns, 0, 0, columns, rows)
        map = bitmap
        if (attentionShown) invalidate()
    }

    /** Tells a screen reader, no oftener than every few seconds and only what is new. */
    fun announce(text: String) {
        val now = SystemClock.uptimeMillis()
        if (text == contentDescription || now - announcedAt < ANNOUNCEMENT_MILLIS) return
        announcedAt = now
        contentDescription = text
    }

    override fun onSizeChanged(width: Int, height: Int, oldWidth: Int, oldHeight: Int) = place()

    override fun onDraw(canvas: Canvas) {
        if (photo == null) {
            canvas.save()
            canvas.clipOutRect(area)
            canvas.drawColor(outside)
            canvas.restore()
            canvas.drawRect(area, guide)
        }
        val map = map
        if (attentionShown && map != null) {
            canvas.save()
            if (mirrored) canvas.scale(-1f, 1f, area.centerX(), area.centerY())
            canvas.drawBitmap(map, null, area, smooth)
            canvas.restore()
        }
    }

    private fun over(photo: FrameSize?, description: Int) {
        this.photo = photo
        map = null
        contentDescription = context.getString(description)
        announcedAt = 0
        visibility = VISIBLE
        place()
    }

    private fun place() {
        if (width == 0 || height == 0) return
        val box = photo?.let { fitInside(it.width, it.height, width, height) } ?: centreSquare(width, height)
        area.set(box.left, box.top, box.right, box.bottom)
        invalidate()
    }
}
