package android.widget;

import android.content.Context;
import android.graphics.Bitmap;
import android.graphics.drawable.Drawable;
import android.view.View;

/** Stub to compile against: what is called of ImageView here; nothing runs. */
public class ImageView extends View {
    public enum ScaleType { FIT_CENTER }
    public ImageView(Context context) { super(context); }
    public native void setImageBitmap(Bitmap bitmap);
    public native void setImageDrawable(Drawable drawable);
    public native ScaleType getScaleType();
    public native void setScaleType(ScaleType type);
}
