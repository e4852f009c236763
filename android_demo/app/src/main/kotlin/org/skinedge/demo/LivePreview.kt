package org.skinedge.demo

import android.content.Context
import android.graphics.Matrix
import android.graphics.SurfaceTexture
import android.hardware.display.DisplayManager
import android.view.TextureView
import org.skinedge.core.previewMatrix
import org.skinedge.core.uprightRotation

/**
 * The camera's picture on the screen. Keeps preview and analysis upright however the display is
 * turned: half a turn recreates no activity, so only the display tells of it.
 *
 * @param onTexture called when there is something to open a camera into.
 */
class LivePreview(
    private val view: TextureView,
    private val feed: CameraFeed,
    private val analyser: FrameAnalyser,
    private val onTexture: () -> Unit,
) : TextureView.SurfaceTextureListener, DisplayManager.DisplayListener {
    /** The camera that is shown; while there is one, the screen stays on. */
    var camera: Camera? = null
        set(value) {
            field = value
            view.keepScreenOn = value != null
            align()
        }

    /** What a camera can be opened into, null until the view is on the screen. */
    val texture: SurfaceTexture? get() = view.surfaceTexture

    private val displays = view.context.getSystemService(Context.DISPLAY_SERVICE) as DisplayManager

    init {
        view.surfaceTextureListener = this
    }

    fun start() = displays.registerDisplayListener(this, null)

    fun stop() = displays.unregisterDisplayListener(this)

    private fun align() {
        val camera = camera ?: return
        val degrees = 90 * (view.display ?: return).rotation  // Surface.ROTATION_0, _90, _180, _270
        analyser.rotationDegrees = uprightRotation(camera.sensorDegrees, degrees, camera.facesUser)
        val values = previewMatrix(camera.frame, camera.sensorDegrees, degrees, view.width, view.height)
        view.setTransform(Matrix().apply { setValues(values) })
    }

    override fun onSurfaceTextureAvailable(texture: SurfaceTexture, width: Int, height: Int) = onTexture()

    override fun onSurfaceTextureSizeChanged(texture: SurfaceTexture, width: Int, height: Int) = align()

    override fun onSurfaceTextureUpdated(texture: SurfaceTexture) = Unit

    override fun onSurfaceTextureDestroyed(texture: SurfaceTexture): Boolean {
        feed.discard(texture)
        return false
    }

    override fun onDisplayChanged(displayId: Int) = align()

    override fun onDisplayAdded(displayId: Int) = Unit

    override fun onDisplayRemoved(displayId: Int) = Unit
}
